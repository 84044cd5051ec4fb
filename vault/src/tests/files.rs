//! Keys as operators keep them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use super::support::Seeded;
use crate::{HeldKey, KeyEncryption, KeyFileError, KeyMaterial, OsRandomness};

fn refusal(path: &Path) -> KeyFileError {
    KeyMaterial::load(path).err().expect("this should have been refused")
}

#[test]
fn a_made_key_is_read_back_and_only_its_owner_can() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kek");
    let made = KeyMaterial::create(&path, &OsRandomness).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(KeyMaterial::load(&path).unwrap().expose(), made.expose());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn an_existing_file_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kek");
    let made = KeyMaterial::create(&path, &OsRandomness).unwrap();
    assert!(matches!(KeyMaterial::create(&path, &OsRandomness), Err(KeyFileError::Exists)));
    assert_eq!(KeyMaterial::load(&path).unwrap().expose(), made.expose());
}

#[test]
fn a_file_that_others_can_reach_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kek");
    KeyMaterial::create(&path, &OsRandomness).unwrap();
    for mode in [0o644, 0o640, 0o604, 0o660, 0o700, 0o4600, 0o620] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert!(matches!(refusal(&path), KeyFileError::Mode(found) if found == mode), "{mode:o}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    KeyMaterial::load(&path).unwrap();
}

#[test]
fn links_directories_and_pipes_are_refused_without_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().join("real");
    KeyMaterial::create(&real, &OsRandomness).unwrap();
    let link = directory.path().join("link");
    symlink(&real, &link).unwrap();
    assert!(matches!(refusal(&link), KeyFileError::NotRegular));
    assert!(matches!(refusal(directory.path()), KeyFileError::NotRegular));
    let pipe = directory.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(matches!(refusal(&pipe), KeyFileError::NotRegular));
    assert!(matches!(refusal(&directory.path().join("absent")), KeyFileError::Absent));
}

#[test]
fn another_users_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kek");
    KeyMaterial::create(&path, &OsRandomness).unwrap();
    if !rustix::process::geteuid().is_root() {
        // Only root can give a file away; elsewhere the system's own files have to do.
        assert!(matches!(refusal(Path::new("/etc/passwd")), KeyFileError::Owner { owner: 0, .. }));
        return;
    }
    std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
    assert!(matches!(refusal(&path), KeyFileError::Owner { owner: 12345, expected: 0 }));
}

#[test]
fn a_file_without_a_key_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (n, content) in [&b""[..], b"secret", &[0xff; 32], "ab".repeat(31).as_bytes(), &vec![b'a'; 1 << 20]]
        .into_iter()
        .enumerate()
    {
        let path = directory.path().join(n.to_string());
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(refusal(&path), KeyFileError::Malformed(_)), "{n}");
    }
}

#[test]
fn a_key_may_be_written_in_hex_or_either_base64() {
    let hex = "fb".repeat(32);
    let expected = [0xfb; 32];
    for text in [
        hex.as_str(),
        &hex.to_uppercase(),
        &format!("  {hex}\r\n"),
        "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=",
        "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s",
        "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s",
    ] {
        assert_eq!(KeyMaterial::parse(text).unwrap().expose(), &expected, "{text}");
    }
    for text in ["", "fb", &hex[1..], &format!("{hex}fb"), "zz".repeat(32).as_str(), "+/v7+/v7"] {
        assert!(KeyMaterial::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_key_has_the_same_name_wherever_it_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kek");
    let made = HeldKey::create_file(&path, Seeded::new(1)).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(HeldKey::from_file(&path, Seeded::new(2)).unwrap().id(), made.id());
    assert_eq!(HeldKey::from_value(&text, Seeded::new(3)).unwrap().id(), made.id());
    assert!(!text.contains(made.id().trim_start_matches("held:")));
}
