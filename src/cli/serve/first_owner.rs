//! How the first owner of an empty book comes by their link.
//!
//! Whoever holds the link owns what there is. It is shown at a terminal, as a result: notes are scrubbed. Where
//! standard output is kept or read by a program, it goes into a file that only its owner can read, for as long as it
//! is of use: until somebody has founded something, here or on another replica, or the service stops.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use crate::app::App;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output::{self, note};
use crate::cli::service_file::ServiceFile;
use crate::{founding, links};

/// Where the link lies, in the data directory.
const FILE: &str = "first-owner-link";

/// Invites the first owner, if the book is empty.
pub(super) fn invite(context: &Context, app: &Arc<App>) -> Result<(), Failure> {
    let data_dir = &app.config.data_dir;
    let Some((link, _)) = founding::first_owners_link(app) else { return Ok(()) };
    let url = links::url(&app.config.public_url, &link);
    if std::io::stdout().is_terminal() && !context.output.json {
        output::text(&format!(
            "The book is empty. Its first owner opens this link, within an hour:\n  {url}"
        ))?;
    } else {
        ServiceFile::dir(data_dir)?.lock()?.write(FILE, &format!("{url}\n"))?;
        tokio::spawn(withdraw_once_founded(Arc::clone(app)));
        note(&format!(
            "The book is empty. Its first owner opens the link in {}, within an hour.",
            data_dir.join(FILE).display()
        ));
    }
    note(&format!(
        "Or from here: tollbook bootstrap --user NAME --workspace NAME --data-dir {}",
        data_dir.display()
    ));
    Ok(())
}

/// Removes the link's file, if it is there.
pub(super) fn withdraw(data_dir: &Path) -> Result<(), Failure> {
    if !data_dir.join(FILE).exists() {
        return Ok(());
    }
    ServiceFile::dir(data_dir)?.lock()?.remove(FILE)
}

async fn withdraw_once_founded(app: Arc<App>) {
    founding::founded(&app).await;
    if let Err(failure) = withdraw(&app.config.data_dir) {
        tracing::warn!(
            why = failure.message(),
            "the first owner's link, which is good no longer, still lies there"
        );
    }
}
