//! `PostgreSQL`'s own measure: one row, one transaction, one round trip, in a database migrated like the
//! book's. What anybody gets who inserts events there without a journal: durable, and in no order.

use std::fs;
use std::process::Command;

use tempfile::TempDir;
use tollbook_journal::{Database, migrate};
use tollbook_testkit::postgres::Postgres;

use crate::rounds::Sample;
use crate::row::Row;

const DATABASE: &str = "inserts";

/// `pgbench`, ready to insert copies of one row.
#[derive(Debug)]
pub struct Inserts {
    variables: Vec<String>,
    url: String,
    dir: TempDir,
}

impl Inserts {
    pub async fn prepare(server: &Postgres, row: &Row) -> Self {
        let url = server.create_database(DATABASE);
        let database = Database::connect(&url.parse().unwrap()).await.unwrap();
        migrate(&database, None).await.unwrap();
        database.close().await;
        server.psql(DATABASE, "CREATE SEQUENCE places MINVALUE 0");
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("insert.sql"),
            "INSERT INTO events (position, event_id, aggregate_type, aggregate_id, event_type, event_version, \
             payload, metadata, workspace_id, workspace_sequence, control, narrows, recorded_at) \
             VALUES (nextval('places'), gen_random_uuid(), :aggregate_type, :aggregate_id, :event_type, \
             :event_version, :payload, :metadata, :workspace_id, 1, false, false, clock_timestamp());\n",
        )
        .unwrap();
        let variables = [
            ("aggregate_type", row.aggregate_type.clone()),
            ("aggregate_id", row.aggregate_id.to_string()),
            ("event_type", row.event_type.clone()),
            ("event_version", row.event_version.clone()),
            ("payload", row.payload.clone()),
            ("metadata", row.metadata.clone()),
            ("workspace_id", row.workspace_id.to_string()),
        ];
        let variables = variables.map(|(name, value)| format!("{name}={value}")).into();
        Self { variables, url, dir }
    }

    /// So many clients, each with one insert under way.
    pub fn run(&self, server: &Postgres, clients: u32, seconds: u64) -> Sample {
        let log = self.dir.path().join("log");
        let mut command = Command::new(server.bin().join("pgbench"));
        command.args(["--no-vacuum", "--protocol", "prepared", "--jobs", "2", "--log"]);
        command.arg("--log-prefix").arg(&log);
        command.args(["--client", &clients.to_string(), "--time", &seconds.to_string()]);
        for variable in &self.variables {
            command.args(["--define", variable]);
        }
        command.arg("--file").arg(self.dir.path().join("insert.sql")).arg(&self.url);
        let output = command.output().expect("pgbench starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let rate: f64 = text
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok())
            .unwrap_or_else(|| panic!("pgbench: {text}"));
        let latencies = self.take_latencies();
        Sample::of(latencies, seconds * 1_000_000).at_rate(rate)
    }

    /// The third column of each line of its log is how long a transaction took, in microseconds.
    fn take_latencies(&self) -> Vec<u64> {
        let mut latencies = Vec::new();
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log")) {
                let text = fs::read_to_string(&path).unwrap();
                latencies.extend(text.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<u64>().ok()));
                fs::remove_file(&path).unwrap();
            }
        }
        latencies
    }
}
