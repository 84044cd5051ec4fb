//! Directories with credentials in them: only their owner's, their files written whole or not at all.
//!
//! A directory is opened once and looked at as it was opened; its files are reached through it. What a
//! path names by then, somebody may have changed.

use std::fs::{File, Metadata, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::output::note;

/// Far more than a credential and where it is good.
const LONGEST: u64 = 1024 * 1024;
/// How long another writer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);
const LOCK: &str = ".lock";

/// An open directory.
#[derive(Debug)]
pub(super) struct PrivateDir {
    fd: OwnedFd,
    path: PathBuf,
}

/// A directory that nobody else writes to as long as this is held.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    dir: &'a PrivateDir,
    _lock: File,
}

impl PrivateDir {
    /// One that is the user's own and nobody else's; `None` when there is none.
    ///
    /// # Errors
    /// When it is a link, somebody else's, or one that others may write to or replace: then what lies in
    /// it may be theirs.
    pub(super) fn own(path: &Path) -> Result<Option<Self>, Failure> {
        let path = plain(path)?;
        let refuse = |why: &str| refused(&path, why);
        // LINK: a link at the end of the path is not followed.
        let Some(dir) = Self::open(path.clone(), OFlags::NOFOLLOW)? else { return Ok(None) };
        let metadata = dir.metadata().map_err(|error| refuse(&error))?;
        owned(&metadata).map_err(|why| refuse(&why))?;
        if metadata.mode() & 0o002 != 0 {
            return Err(refuse(&format!(
                "everybody may write to it (mode {:04o}); mend it with `chmod 0700`",
                metadata.mode() & 0o7777
            )));
        }
        dir.parent_is_safe().map_err(|why| refuse(&why))?;
        if metadata.mode() & 0o077 != 0 {
            rustix::fs::fchmod(&dir.fd, Mode::from_raw_mode(0o700))
                .map_err(|error| refuse(&error.to_string()))?;
            tightened(&path, &metadata, "0700");
        }
        Ok(Some(dir))
    }

    /// The same, made when there is none.
    pub(super) fn own_or_new(path: &Path) -> Result<Self, Failure> {
        if let Some(dir) = Self::own(path)? {
            return Ok(dir);
        }
        let path = plain(path)?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        crate::app::make_private_dir(parent)?;
        match rustix::fs::mkdir(&path, Mode::from_raw_mode(0o700)) {
            // Somebody else's, made meanwhile, is found out below.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(refused(&path, &error.to_string())),
        }
        Self::own(&path)?.ok_or_else(|| refused(&path, "it is gone again"))
    }

    /// One that an operator chose and that may have others' files, too: only its files are looked at.
    pub(super) fn shared(path: &Path) -> Result<Option<Self>, Failure> {
        Self::open(plain(path)?, OFlags::empty())
    }

    fn open(path: PathBuf, more: OFlags) -> Result<Option<Self>, Failure> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | more;
        match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) if more.contains(OFlags::NOFOLLOW) => {
                Err(refused(&path, "it is a symbolic link, or no directory"))
            }
            Err(error) => Err(refused(&path, &error.to_string())),
        }
    }

    fn metadata(&self) -> Result<Metadata, String> {
        let again = self.fd.try_clone().map_err(|error| error.to_string())?;
        File::from(again).metadata().map_err(|error| error.to_string())
    }

    /// Who may write to the parent may put another directory in this one's place; unless, as in `/tmp`,
    /// each may remove only what is theirs.
    fn parent_is_safe(&self) -> Result<(), String> {
        let Some(parent) = self.path.parent() else { return Ok(()) };
        let mode = std::fs::metadata(parent).map_err(|error| error.to_string())?.mode();
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            return Err(format!(
                "everybody may write to `{}`, where it lies (mode {:04o})",
                parent.display(),
                mode & 0o7777
            ));
        }
        Ok(())
    }

    /// What stands in a file of it; `None` when there is none.
    ///
    /// # Errors
    /// When it is a link, no regular file, or somebody else's: then somebody may have put it there.
    pub(super) fn read(&self, name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        let path = self.path.join(name);
        let refuse = |why: &str| refused(&path, why);
        // NONBLOCK: opening a FIFO would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(refuse("it is a symbolic link")),
            Err(error) => return Err(refuse(&error.to_string())),
        };
        let metadata = file.metadata().map_err(|error| refuse(&error.to_string()))?;
        if !metadata.is_file() {
            return Err(refuse("it is not a regular file"));
        }
        owned(&metadata).map_err(|why| refuse(&why))?;
        if metadata.mode() & 0o077 != 0 {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(0o600))
                .map_err(|error| refuse(&error.to_string()))?;
            tightened(&path, &metadata, "0600");
        }
        let mut text = Zeroizing::new(String::new());
        file.take(LONGEST).read_to_string(&mut text).map_err(|error| refuse(&error.to_string()))?;
        Ok(Some(text))
    }

    /// Waits until nobody else writes.
    pub(super) fn lock(&self) -> Result<Locked<'_>, Failure> {
        let path = self.path.join(LOCK);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, LOCK, flags, Mode::from_raw_mode(0o600));
        let file = File::from(fd.map_err(|error| refused(&path, &error.to_string()))?);
        let end = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Locked { dir: self, _lock: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(refused(&path, "another process has held it for ten seconds"));
                }
                Err(TryLockError::Error(error)) => return Err(refused(&path, &error.to_string())),
            }
        }
    }
}

impl Locked<'_> {
    /// Replaces a file: a temporary one beside it, synced, renamed, the directory synced; mode 0600 from the
    /// first byte on.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        // Under the lock nobody else has one. What a process left that was killed is overwritten.
        let temporary = format!(".{name}.new");
        let write = || -> std::io::Result<()> {
            self.unlink(&temporary)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(&self.dir.fd, &temporary, flags, Mode::from_raw_mode(0o600))?;
            let mut file = File::from(fd);
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            rustix::fs::renameat(&self.dir.fd, &temporary, &self.dir.fd, name)?;
            Ok(rustix::fs::fsync(&self.dir.fd)?)
        };
        write().map_err(|error| {
            let path = self.dir.path.join(name);
            Failure::failed(format!("`{}` cannot be written: {error}", path.display()))
        })
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<(), Failure> {
        let remove = || -> std::io::Result<()> {
            self.unlink(name)?;
            Ok(rustix::fs::fsync(&self.dir.fd)?)
        };
        remove().map_err(|error| {
            let path = self.dir.path.join(name);
            Failure::failed(format!("`{}` cannot be removed: {error}", path.display()))
        })
    }

    fn unlink(&self, name: &str) -> std::io::Result<()> {
        match rustix::fs::unlinkat(&self.dir.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Absolute, and without a slash at its end, which would follow a link.
fn plain(path: &Path) -> Result<PathBuf, Failure> {
    let absolute = std::path::absolute(path).map_err(|error| refused(path, &error.to_string()))?;
    Ok(absolute.components().collect())
}

fn owned(metadata: &Metadata) -> Result<(), String> {
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() == me {
        return Ok(());
    }
    Err(format!("it belongs to user {}, and this is user {me}", metadata.uid()))
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::failed(format!("`{}` is not used: {why}", path.display()))
}

fn tightened(path: &Path, metadata: &Metadata, to: &str) {
    let mode = metadata.mode() & 0o7777;
    note(&format!("warning: `{}` was open to others (mode {mode:04o}); it is {to} now", path.display()));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn permit(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn why(refused: Result<Option<PrivateDir>, Failure>) -> String {
        refused.unwrap_err().message().to_owned()
    }

    #[test]
    fn what_is_written_is_read_and_is_nobody_elses() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a").join(".tollbook");
        assert!(PrivateDir::own(&path).unwrap().is_none());
        let dir = PrivateDir::own_or_new(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        assert!(dir.read("x").unwrap().is_none());
        // What a killed process left is no hindrance.
        std::fs::write(path.join(".x.new"), "half").unwrap();
        dir.lock().unwrap().write("x", "one").unwrap();
        dir.lock().unwrap().write("x", "two").unwrap();
        assert_eq!(dir.read("x").unwrap().unwrap().as_str(), "two");
        assert_eq!(mode(&path.join("x")), 0o600);
        let names: Vec<_> =
            std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "the file and the lock: {names:?}");
        dir.lock().unwrap().remove("x").unwrap();
        dir.lock().unwrap().remove("x").unwrap();
        assert!(dir.read("x").unwrap().is_none());
    }

    #[test]
    fn links_are_refused_as_directory_and_as_file() {
        let home = tempfile::tempdir().unwrap();
        let real = home.path().join("real");
        PrivateDir::own_or_new(&real).unwrap().lock().unwrap().write("target", "text").unwrap();
        let link = home.path().join("link");
        symlink(&real, &link).unwrap();
        assert!(why(PrivateDir::own(&link)).contains("symbolic link"));
        assert!(why(PrivateDir::own(&link.join(""))).contains("symbolic link"), "a slash doesn't follow it");
        symlink(real.join("target"), real.join("x")).unwrap();
        let dir = PrivateDir::own(&real).unwrap().unwrap();
        assert!(dir.read("x").unwrap_err().message().contains("symbolic link"));
        std::fs::create_dir(real.join("d")).unwrap();
        assert!(dir.read("d").unwrap_err().message().contains("not a regular file"));
        // A write replaces the link, and not what it leads to.
        dir.lock().unwrap().write("x", "new").unwrap();
        assert_eq!(dir.read("target").unwrap().unwrap().as_str(), "text");
    }

    #[test]
    fn too_wide_permissions_are_tightened_and_world_writable_places_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        let dir = PrivateDir::own_or_new(&path).unwrap();
        dir.lock().unwrap().write("x", "text").unwrap();
        for (wide, tight) in [(0o755, 0o700), (0o770, 0o700)] {
            permit(&path, wide);
            PrivateDir::own(&path).unwrap().unwrap();
            assert_eq!(mode(&path), tight);
        }
        for wide in [0o644, 0o666, 0o640] {
            permit(&path.join("x"), wide);
            assert!(dir.read("x").unwrap().is_some());
            assert_eq!(mode(&path.join("x")), 0o600);
        }
        permit(&path, 0o777);
        assert!(why(PrivateDir::own(&path)).contains("everybody may write to it"));
        permit(&path, 0o700);
        permit(home.path(), 0o777);
        assert!(why(PrivateDir::own(&path)).contains("where it lies"));
        permit(home.path(), 0o1777);
        assert!(PrivateDir::own(&path).unwrap().is_some(), "as in /tmp");
        permit(home.path(), 0o700);
    }

    #[test]
    fn what_is_somebody_elses_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state");
        let dir = PrivateDir::own_or_new(&path).unwrap();
        dir.lock().unwrap().write("x", "text").unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(path.join("x"), Some(12345), None).unwrap();
            assert!(dir.read("x").unwrap_err().message().contains("belongs to user 12345"));
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            assert!(why(PrivateDir::own(&path)).contains("belongs to user 12345"));
        } else {
            assert!(why(PrivateDir::own(Path::new("/usr"))).contains("belongs to user 0"));
        }
    }
}
