use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chrono::TimeDelta;
use tollbook::clock::Clock;
use tollbook::doctor::{Doctor, State};
use tollbook_journal::examine::Extent;

use super::{check, examine, on_postgres};
use crate::house::TestHouse;

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn files_that_others_can_read_are_failures() {
    let machine = on_postgres("doctor_files");
    examine(&machine, &[]).healthy().finds("files", "ok");
    for (file, tight, wide, name) in
        [("kek", 0o600, 0o644, "kek"), ("pepper", 0o600, 0o640, "pepper"), ("", 0o700, 0o755, "files")]
    {
        chmod(&machine.data(file), wide);
        let found = examine(&machine, &[]).ill().finds(name, "failed");
        assert!(found.contains("chmod"), "{found}");
        chmod(&machine.data(file), tight);
    }
    examine(&machine, &[]).healthy();
}

#[test]
fn keys_that_do_not_fit_the_database_are_failures() {
    let mut machine = on_postgres("doctor_keys");
    let other = "00ff".repeat(16);
    for (variable, name) in [("TOLLBOOK_KEK", "kek"), ("TOLLBOOK_PEPPER", "pepper")] {
        machine.set(variable, &other);
        let ill = examine(&machine, &[]).ill();
        assert!(ill.finds(name, "failed").contains("the database was made with"));
        assert!(!ill.report.to_string().contains(&other), "a key is never shown");
        machine.set(variable, "");
    }
    std::fs::remove_file(machine.data("kek")).unwrap();
    assert!(examine(&machine, &[]).ill().finds("kek", "failed").contains("Put the key back"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_a_warning_and_one_that_is_wrong_a_failure() {
    let house = TestHouse::postgres().await;
    let clock = Clock::default();
    let doctor = Doctor::new(house.app.config.clone(), clock.clone());
    let report = async || doctor.examine(Extent::Usual).await;
    let json = |report: &tollbook::doctor::Report| serde_json::to_value(report).unwrap();
    check(&json(&report().await), "clock", "ok");
    clock.set_machine_ahead(TimeDelta::seconds(20));
    let off = report().await;
    let found = check(&json(&off), "clock", "warning");
    assert!(found.contains("behind this machine's"), "{found}");
    assert_ne!(off.state, State::Failed);
    clock.set_machine_ahead(TimeDelta::minutes(-5));
    let wrong = report().await;
    assert!(check(&json(&wrong), "clock", "failed").contains("ahead of this machine's"));
    assert_eq!(wrong.state, State::Failed);
    house.stop().await;
}
