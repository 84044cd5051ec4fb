//! The command line: one file a command.
//!
//! Commands of two kinds. *Host commands* (`serve`, `bootstrap`, `user`, `migrate`, `config`, `doctor`,
//! `openapi`) work on this machine's configuration. All others are clients of a running service, over HTTP and
//! nothing else: what they can do, any client can. Results go to standard output, everything else to
//! standard error, so that a pipe holds only what was asked for.
//!
//! To add a command: a file here with its arguments and `run`, a variant of [`Command`], and a test in
//! `tests/cli` that runs the binary.

mod audit;
mod bootstrap;
mod client;
mod completions;
mod config;
mod context;
mod demo;
mod doctor;
mod duration;
mod failure;
mod fields;
mod invitation;
mod key;
mod loadout;
mod login;
mod logout;
mod member;
mod migrate;
mod on_host;
mod openapi;
mod operator;
mod output;
mod patience;
mod private_dir;
mod projection;
mod resolve;
mod rotated;
mod secret_input;
mod serve;
mod server;
mod service_file;
mod session;
mod settings;
mod state;
mod status;
mod stores;
mod url_text;
mod user;
mod workspace;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use context::{Context, Global};
use failure::Failure;

use crate::telemetry;

/// An authorization service and gateway for the tools of AI agents: every tool call is decided, written in
/// the book, and only then forwarded.
#[derive(Debug, Parser)]
#[command(name = "tollbook", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 usage, 3 not signed in, 4 not allowed, 5 proof failed.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve(serve::Serve),
    /// Start a service with a sample tool server, and walk through the main job on it.
    Demo(demo::Demo),
    /// Make the first workspace, owner and operator of an empty book.
    Bootstrap(bootstrap::Bootstrap),
    /// People, as whoever runs the machine looks after them.
    User(user::User),
    /// Bring the database's schema up to this version.
    Migrate(migrate::Migrate),
    /// Show what is in force and where it was set; secrets are masked.
    Config(config::Show),
    /// Examine this installation: what is well, what isn't, and what to do about it.
    Doctor(doctor::Doctor),
    /// Print the description of the REST interface.
    Openapi,
    /// Print a completion script for a shell.
    Completions(completions::Completions),
    /// Sign in to a service, for the commands that follow.
    Login(login::Login),
    /// Forget the credential that is kept for a service.
    Logout(logout::Logout),
    /// Show who is signed in, where, and from which store the credential comes.
    Status(status::Status),
    /// Workspaces: the tenants.
    Workspace(workspace::Workspace),
    /// Tool servers: the MCP servers of a workspace.
    Server(server::Server),
    /// Loadouts: versioned selections of tools.
    Loadout(loadout::Loadout),
    /// Sessions: the right to call the tools of a loadout.
    Session(session::Session),
    /// API keys.
    Key(key::Key),
    /// The people of a workspace.
    Member(member::Member),
    /// One-time links by which people become members of a workspace.
    Invitation(invitation::Invitation),
    /// The book, as a workspace may read it.
    Audit(Box<audit::Audit>),
    /// Read models, for operators.
    Projection(projection::Projection),
    /// Looking after the instance, as operator.
    Operator(operator::Operator),
}

/// Does what the process was started for.
pub fn run() -> ExitCode {
    telemetry::report_panics();
    telemetry::leave_no_core();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            tell(&told);
            return ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2));
        }
    };
    let context = Context::new(cli.global);
    match work(cli.command, &context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            failure.exit_code()
        }
    }
}

/// What was asked for, or what was wrong with it: that repeats arguments, and a secret may be among them.
fn tell(told: &clap::Error) {
    if !told.use_stderr() {
        // A reader that has gone away doesn't make a usage error of a request for help.
        let _ = told.print();
        return;
    }
    let text = told.render();
    let text = if std::io::stderr().is_terminal() { text.ansi().to_string() } else { text.to_string() };
    output::note(text.trim_end());
}

fn work(command: Command, context: &Context) -> Result<(), Failure> {
    // Another crate that brings TLS may have installed one already: then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("no threads can be started: {error}")))?;
    runtime.block_on(dispatch(command, context))
}

async fn dispatch(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Serve(serve) => serve.run(context).await,
        Command::Demo(demo) => demo.run(context).await,
        Command::Bootstrap(bootstrap) => bootstrap.run(context).await,
        Command::User(user) => user.run(context).await,
        Command::Migrate(migrate) => migrate.run(context).await,
        Command::Config(show) => show.run(context).await,
        Command::Doctor(doctor) => doctor.run(context).await,
        Command::Openapi => openapi::run(context),
        Command::Completions(completions) => completions.run(context, &mut Cli::command()),
        Command::Login(login) => login.run(context).await,
        Command::Logout(logout) => logout.run(context),
        Command::Status(status) => status.run(context).await,
        Command::Workspace(workspace) => workspace.run(context).await,
        Command::Server(server) => server.run(context).await,
        Command::Loadout(loadout) => loadout.run(context).await,
        Command::Session(session) => session.run(context).await,
        Command::Key(key) => key.run(context).await,
        Command::Member(member) => member.run(context).await,
        Command::Invitation(invitation) => invitation.run(context).await,
        Command::Audit(audit) => audit.run(context).await,
        Command::Projection(projection) => projection.run(context).await,
        Command::Operator(operator) => operator.run(context).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_fit_together() {
        Cli::command().debug_assert();
    }
}
