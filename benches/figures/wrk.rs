//! The load: `wrk`, one request repeated over so many connections for so long.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use crate::rounds::Sample;
use crate::settings::Cores;

/// A request, and the files that `wrk` reads it from.
#[derive(Debug)]
pub struct Request {
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    files: TempDir,
}

#[derive(Debug, Deserialize)]
struct Printed {
    requests: u64,
    micros: u64,
    p50: u64,
    p99: u64,
    refused: u64,
    broken: u64,
}

impl Request {
    pub fn new(url: &str, bearer: Option<&str>, headers: &[(&str, &str)], body: &str) -> Self {
        let mut headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        headers.extend(bearer.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
        let files = tempfile::tempdir().unwrap();
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        fs::write(files.path().join("headers"), lines).unwrap();
        fs::write(files.path().join("body"), body).unwrap();
        Self { url: url.to_owned(), headers, body: body.to_owned(), files }
    }

    /// A question that changes nothing: `GET`, without a body.
    pub fn get(url: &str, bearer: &str) -> Self {
        Self::new(url, Some(bearer), &[], "")
    }

    /// Sends it once, past `wrk`; the status and the whole answer.
    pub async fn send(&self) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = if self.body.is_empty() { client.get(&self.url) } else { client.post(&self.url) };
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let response = request.body(self.body.clone()).send().await.expect("somebody answers");
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Repeats it. Every answer has to be a 2xx, and none may be missing.
    pub fn repeat(&self, connections: u32, seconds: u64, cores: Cores) -> Sample {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/figures/wrk.lua");
        let output = Command::new("taskset")
            .args(["--cpu-list", cores.list(), "wrk", "--latency", "--threads", "1", "--timeout", "10s"])
            .args(["--connections", &connections.to_string(), "--duration", &format!("{seconds}s")])
            .arg("--script")
            .args([script.as_os_str(), self.url.as_ref(), "--".as_ref()])
            .args([self.files.path().join("headers"), self.files.path().join("body")])
            .output()
            .expect("wrk starts (has `tools/setup wrk` run?)");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("RESULT "));
        let line = line.unwrap_or_else(|| panic!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)));
        let printed: Printed = serde_json::from_str(line).unwrap();
        assert_eq!((printed.refused, printed.broken), (0, 0), "not every request was answered: {text}");
        Sample::new(printed.requests, printed.micros, printed.p50, printed.p99)
    }
}
