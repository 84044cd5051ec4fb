//! The data directory, who may look into it, and the disk that it lies on.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::finding::Findings;
use super::said::bytes;

/// Files with a credential in them.
const SECRET: [&str; 2] = ["service.json", "cli.json"];
/// With less than this, writes may fail at any moment.
const FULL: u64 = 256 << 20;
/// With less than this, somebody should see to it.
const NEARLY_FULL: u64 = 2 << 30;

pub(super) fn judge(findings: &mut Findings, dir: &Path) {
    let shown = dir.display();
    let Ok(metadata) = std::fs::metadata(dir) else {
        return findings.ok("files", format!("`{shown}` is made at the first start"));
    };
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me {
        let found = format!("`{shown}` belongs to user {}, and this is user {me}", metadata.uid());
        return findings.warning("files", found, "Run the doctor as the user that runs the service.");
    }
    let mode = |path: &Path| std::fs::symlink_metadata(path).map(|metadata| metadata.mode() & 0o777).ok();
    let mut wide = Vec::new();
    if metadata.mode() & 0o077 != 0 {
        wide.push(format!("`{shown}` ({:04o})", metadata.mode() & 0o777));
    }
    for path in SECRET.map(|name| dir.join(name)) {
        if let Some(mode) = mode(&path).filter(|mode| mode & 0o077 != 0) {
            wide.push(format!("`{}` ({mode:04o})", path.display()));
        }
    }
    if wide.is_empty() {
        findings.ok("files", format!("only their owner looks into `{shown}`"));
    } else {
        let remedy =
            format!("`chmod 0700 {shown}`, and 0600 for the files in it. Whoever could read them may have.");
        findings.failed("files", format!("open to others: {}", wide.join(", ")), remedy);
    }
}

/// How much room there is where `dir` lies.
pub(super) fn disk(findings: &mut Findings, name: &'static str, dir: &Path, taken: &str) {
    let Ok(disk) = rustix::fs::statvfs(dir) else {
        return findings.ok(name, format!("{taken}; its disk is not to be seen from here"));
    };
    let (free, all) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
    let found = format!("{taken}; {} of {} are free", bytes(free), bytes(all));
    let remedy = "Make room, or nothing can be written: a book only grows. Old partitions can be exported and detached.";
    if free < FULL {
        findings.failed(name, found, remedy);
    } else if free < NEARLY_FULL {
        findings.warning(name, found, remedy);
    } else {
        findings.ok(name, found);
    }
}

/// The lock of the book is another process's, which isn't a service that answers.
pub(super) fn book_in_use(findings: &mut Findings, dir: &Path) {
    let holder = holder(&dir.join("book.lock"));
    let who = holder.as_ref().map_or_else(
        || "another process, which is not to be seen from here,".to_owned(),
        |(pid, name)| format!("process {pid} ({name})"),
    );
    let remedy = match holder {
        Some((pid, _)) => format!(
            "It isn't a service that answers at the URL in `service.json`. If it is one that hangs, end it: `kill {pid}`."
        ),
        None => {
            "Look for a process on this machine that has the directory open (`fuser`, `lsof`).".to_owned()
        }
    };
    findings.failed("book_file", format!("{who} has the book in `{}`", dir.display()), remedy);
}

/// Who has the lock, as the kernel says (`proc(5)`, `/proc/locks`): `1: FLOCK  ADVISORY  WRITE 4711 fe:01:131 0 EOF`.
fn holder(lock: &Path) -> Option<(u32, String)> {
    let inode = std::fs::metadata(lock).ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = locks.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(4);
        let (pid, place) = (fields.next()?, fields.next()?);
        (place.rsplit(':').next() == Some(inode.as_str())).then(|| pid.parse::<u32>().ok())?
    })?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some((pid, name.trim().to_owned()))
}
