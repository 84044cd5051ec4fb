//! A disk so small that it can be filled: a file system in memory of its own.

use std::fs::{File, Permissions, remove_file, set_permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Mounted while this value lives. To mount takes root.
pub(super) struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// A disk of so many bytes, which everybody may reach into.
    pub(super) fn mount(bytes: u64) -> Self {
        let dir = tempfile::Builder::new().prefix("tollbook-disk-").tempdir().expect("there is room");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=0755"), "tollbook"])
            .arg(dir.path())
            .status();
        assert!(mounted.is_ok_and(|status| status.success()), "a small disk can be mounted: only root may");
        set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("it is ours");
        Self { dir }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn ballast(&self) -> PathBuf {
        self.dir.path().join("ballast")
    }

    /// Leaves not one byte to anybody.
    pub(super) fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("there is room for an empty file");
        let mut size = 1 << 20;
        while size > 0 {
            match ballast.write(&vec![7; size]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
                Err(error) => panic!("neither written nor full: {error}"),
            }
        }
        assert!(self.free() < 1 << 16, "the disk is full");
    }

    /// Gives back what [`Self::fill`] took.
    pub(super) fn make_room(&self) {
        remove_file(self.ballast()).expect("there is ballast");
    }

    /// How many bytes anybody may still write.
    pub(super) fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(self.dir.path()).expect("it is mounted");
        disk.f_bavail * disk.f_frsize
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that is just ending may still have files there.
        let _ = Command::new("umount").arg("--lazy").arg(self.dir.path()).status();
    }
}
