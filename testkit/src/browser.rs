//! A real browser, Chromium, driven by npm's `playwright-core` (`tests/browser`): one for all tests of a binary.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::process::{Program, Server};

/// Started by whoever needs it first; it ends with this process, when its standard input closes.
static BROWSER: OnceCell<Server> = OnceCell::const_new();

/// Runs `tests/browser/scenarios/{scenario}.mjs` with these arguments, in browser contexts of its own, and answers
/// with what it returns, and with every request that the browser made as `requests`.
pub async fn run(scenario: &str, args: &Value) -> Value {
    let start = async || Program::new("node").arg(script("browser.mjs")).serve().await;
    let browser = BROWSER.get_or_init(start).await;
    let mut program = Program::new("node")
        .arg(script("run.mjs"))
        .arg(scenario)
        .env("BROWSER", browser.url.as_str())
        .env("ARGS", args.to_string());
    if let Ok(shots) = std::env::var("SHOTS") {
        program = program.env("SHOTS", shots);
    }
    program.answer().await
}

fn script(file: &str) -> String {
    let home: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser");
    home.join(file).to_string_lossy().into_owned()
}
