//! What the figures were measured on.

use std::fs;
use std::process::Command;

use tollbook_testkit::postgres::Postgres;

use crate::settings::Settings;

/// Facts for the record, as name and value.
pub fn facts(server: &Postgres) -> Vec<(String, String)> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let pgbench = said(&server.bin().join("pgbench").display().to_string(), &["--version"]);
    let postgres = format!(
        "{}; fsync on, on disk, shared_buffers 256 MB",
        server.psql("postgres", "SHOW server_version")
    );
    let facts = [
        ("processor", format!("{} × {}", cores, field("/proc/cpuinfo", "model name"))),
        ("memory", field("/proc/meminfo", "MemTotal")),
        ("kernel", said("uname", &["-sr"])),
        ("PostgreSQL", postgres),
        ("pgbench", pgbench),
        ("Node.js", said("node", &["--version"])),
        ("wrk", said("wrk", &["--version"])),
    ];
    facts.map(|(name, fact)| (name.to_owned(), fact)).into()
}

/// When and how a part was measured.
pub fn occasion(settings: &Settings) -> String {
    let day = settings.date.as_ref().map(|day| format!("on {day}, ")).unwrap_or_default();
    let Settings { seconds, rounds, .. } = settings;
    format!("{day}{rounds} rounds of {seconds} s in turns, medians; load of the machine {}", load())
}

/// The load averages of the last 1, 5 and 15 minutes, our own load among them.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(", ")
}

fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// The first line of what a program prints.
fn said(program: &str, args: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(args).output() else { return "none".to_owned() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().unwrap_or_default().trim().to_owned()
}
