//! Promise 3: secrets stay in.
//!
//! Known secrets are driven through every flow of the real binary, failing ones too, with everything
//! logged that can be; then the logs, the database, its files and its dump, every answer, what commands print and keep,
//! the API's description and what the tool server saw are searched for them, in every encoding in which one could have
//! come there. The test first plants a secret in each place that it searches, in each encoding, and fails unless it
//! finds all of them.
//!
//! Not searched, and why: core files, because there are none (`core_files` shows it); the memory of the running
//! processes, where the secrets are at work; backups and what a disk keeps of overwritten blocks, which are the
//! operator's. Of an erased person's key the book's files are searched, but not `PostgreSQL`'s log of changes, which
//! keeps it until it is recycled (SECURITY.md).

mod database;
mod echoing;
mod flows;
mod needles;
mod secrets;

use tollbook_testkit::node::{Settings, Upstream};
use tollbook_testkit::postgres::{Options, Postgres};

use super::figures::print;
use super::service::Home;
use flows::drive;
use needles::{Kind, Place};
use secrets::{HEADER, Secrets};

/// What only the operator of this test's service knows: 32 bytes each, as 64 hexadecimal digits.
const KEK: &str = "6b656b2d63616e6172792d0102030405060708090a0b0c0d0e0f10f1f2f3f4f5";
const PEPPER: &str = "7065707065722d63616e6172792d11121314f5f6f7f8f9fafbfcfdfeff0a0b0c";

async fn secrets_stay_in(name: &str, home: Home, cluster: Option<&Postgres>) {
    let home = home.with("TOLLBOOK_KEK", KEK).with("TOLLBOOK_PEPPER", PEPPER).with("TOLLBOOK_LOG", "trace");
    let home = flows::settings(home);
    let header = ("authorization".to_owned(), HEADER.to_owned());
    let settings = Settings { require_header: Some(header), ..Settings::default() };
    let upstream = Upstream::modern_with(&settings).await;
    let flow = drive(&home, Secrets::new(KEK, PEPPER), upstream).await;

    let secrets = &flow.secrets;
    let mut kept = flow.files;
    kept.push(Place::new("the logs", home.log_text().into_bytes()));
    kept.push(Place::new("the description of the API, and its page", flow.description.into_bytes()));
    let mut books = Vec::new();
    for place in database::places(&home, cluster).await {
        let book = matches!(place.kind, Kind::SqliteFile | Kind::SqliteDump | Kind::PostgresDump)
            || place.name.contains("base/");
        if book { books.push(place) } else { kept.push(place) }
    }
    let seen = flow.upstream.entries().iter().map(ToString::to_string).collect::<String>();
    let place = |name: &str, text: String| vec![Place::new(name, text.into_bytes())];
    let (mut planted, mut bytes, mut hits) = (0, 0, Vec::new());
    let all = secrets.all();
    // Answers that say yes may show names to whoever may see them; a tool server gets its arguments.
    let searches = [
        (&all, kept),
        (&secrets.all_and_destroyed(), books),
        (&secrets.in_no_refusal(), place("answers that say no", flow.refusals)),
        (&secrets.in_no_answer(), place("answers that say yes", flow.successes)),
        (&secrets.in_no_answer(), place("what commands printed", flow.terminal)),
        (&Secrets::erased(), place("answers after the erasure", flow.after_erasure)),
        (&secrets.never_upstream(), place("what the tool server saw", seen)),
    ];
    for (needles, places) in searches {
        for place in places {
            planted += needles.find_planted_in(&place, cluster);
            hits.extend(needles.search(&place));
            bytes += place.len();
        }
    }
    print(
        name,
        &[
            ("secrets", all.secrets().to_string()),
            ("patterns", all.patterns().to_string()),
            ("requests", flow.requests.to_string()),
            ("bytes searched", bytes.to_string()),
            ("planted, and found", planted.to_string()),
            ("hits", hits.len().to_string()),
        ],
    );
    assert!(hits.is_empty(), "secrets came out:\n{}", hits.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_comes_out_on_sqlite() {
    secrets_stay_in("canary, SQLite", Home::sqlite(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_comes_out_on_postgres() {
    let cluster = Postgres::start(&Options::default());
    secrets_stay_in("canary, PostgreSQL", Home::postgres(&cluster), Some(&cluster)).await;
}
