//! Files with credentials in them: only their owner's, written whole or not at all.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::output::note;

/// Far more than a credential and where it is good.
const LONGEST: u64 = 64 * 1024;

/// What stands in the file; `None` when there is none.
///
/// # Errors
/// When it is a link, no regular file, or somebody else's: then somebody may have put it there.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, Failure> {
    let refuse = |why: &str| Failure::failed(format!("`{}` is not used: {why}", path.display()));
    // NONBLOCK: opening a FIFO would wait for a writer.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) => {
            return match Errno::from_io_error(&error) {
                Some(Errno::NOENT) => Ok(None),
                Some(Errno::LOOP) => Err(refuse("it is a symbolic link")),
                _ => Err(refuse(&error.to_string())),
            };
        }
    };
    // The file that was opened is looked at, not the path, which may name another one by now.
    let metadata = file.metadata().map_err(|error| refuse(&error.to_string()))?;
    if !metadata.is_file() {
        return Err(refuse("it is not a regular file"));
    }
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me {
        return Err(refuse(&format!("it belongs to user {}, and this is user {me}", metadata.uid())));
    }
    if metadata.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600)).map_err(|error| refuse(&error.to_string()))?;
        let mode = metadata.mode() & 0o777;
        note(&format!(
            "warning: `{}` was readable by others (mode {mode:04o}); it is 0600 now",
            path.display()
        ));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST).read_to_string(&mut text).map_err(|error| refuse(&error.to_string()))?;
    Ok(Some(text))
}

/// Replaces the file: a temporary one beside it, synced, renamed; mode 0600 from the first byte on.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new()
            .prefix(".tollbook-")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(directory)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|refused| refused.error)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|error| Failure::failed(format!("`{}` cannot be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn what_is_written_is_read_and_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cli.json");
        assert!(read(&path).unwrap().is_none());
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap().as_str(), "two");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn too_wide_permissions_are_tightened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cli.json");
        std::fs::write(&path, "text").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path).unwrap().is_some());
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_link_and_a_directory_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        write(&target, "text").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(read(&link).unwrap_err().message().contains("symbolic link"));
        assert!(read(dir.path()).unwrap_err().message().contains("not a regular file"));
    }
}
