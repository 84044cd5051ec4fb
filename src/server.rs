//! The HTTP server: every route, on one port.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App as Actix, HttpRequest, HttpResponse, HttpServer};
use tokio::time::timeout;
use utoipa_actix_web::AppExt as _;

use crate::app::App;
use crate::{console, gateway, host, http};

/// What answers that are under way have, once everything else is over.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A server that has been bound and answers.
pub struct Running {
    /// Where.
    pub address: SocketAddr,
    app: Arc<App>,
    handle: ServerHandle,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Takes no new connection, lets open requests and calls end within the configured deadline, ends
    /// the calls that haven't, and returns.
    ///
    /// The server's threads are stopped last: a connection to a tool server lives on the thread that
    /// made it, and another thread's call may be using it.
    pub async fn stop(self) {
        let open = self.app.calls.open();
        self.app.draining.cancel();
        self.handle.pause().await;
        open.close();
        if timeout(self.app.config.stop_deadline, open.wait()).await.is_err() {
            tracing::warn!(open = open.len(), "requests and calls are open still; calls are ended now");
            self.app.authority.end_open();
            let _ = timeout(LAST_WORDS, open.wait()).await;
        }
        self.handle.stop(true).await;
        // What its threads took along has an outcome now, too.
        let _ = timeout(LAST_WORDS, open.wait()).await;
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the server did not end cleanly");
        }
    }
}

/// Serves `app` on `listener`.
///
/// # Errors
/// When the listener can't be used.
pub fn serve(app: &Arc<App>, listener: TcpListener) -> std::io::Result<Running> {
    let address = listener.local_addr()?;
    let data = Data::from(Arc::clone(app));
    let body_limit = app.config.body_limit;
    let conversations = gateway::Conversations::default();
    let server = HttpServer::new(move || {
        let (service, document) = Actix::new()
            .app_data(data.clone())
            .app_data(http::Limits { body: body_limit })
            .app_data(http::Pages(console::page_of))
            // Before the many routes of REST, which are tried in order.
            .configure(|config| gateway::configure(config, &conversations))
            .into_utoipa_app()
            .openapi(http::openapi::about())
            .configure(http::configure)
            .split_for_parts();
        service
            .configure(|config| http::openapi::serve(config, document))
            .configure(host::configure)
            .configure(console::configure)
            .default_service(actix_web::web::to(nothing_there))
            .wrap(from_fn(http::edge))
    })
    // Whoever closes its side has gone: what was done for it is cancelled.
    .h1_allow_half_closed(false)
    .workers(app.config.workers)
    .shutdown_timeout(LAST_WORDS.as_secs())
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    Ok(Running { address, app: Arc::clone(app), handle, task: tokio::spawn(server) })
}

/// A person's browser is shown a page, and everybody else a problem.
async fn nothing_there(request: HttpRequest) -> HttpResponse {
    if console::wants_page(&request) { console::no_page() } else { http::unknown_route(&request) }
}
