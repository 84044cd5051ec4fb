//! The HTTP server: every route, on one port.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App as Actix, HttpServer};
use utoipa_actix_web::AppExt as _;

use crate::app::App;
use crate::{gateway, host, http};

/// A server that has been bound and answers.
pub struct Running {
    /// Where.
    pub address: SocketAddr,
    handle: ServerHandle,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Takes no new connection, lets open requests end within the configured deadline, and returns.
    pub async fn stop(self) {
        self.handle.stop(true).await;
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
            .into_utoipa_app()
            .openapi(http::openapi::about())
            .configure(http::configure)
            .split_for_parts();
        service
            .configure(|config| http::openapi::serve(config, document))
            .configure(|config| gateway::configure(config, &conversations))
            .configure(host::configure)
            .default_service(actix_web::web::to(http::unknown_route))
            .wrap(from_fn(http::edge))
    })
    // Whoever closes its side has gone: what was done for it is cancelled.
    .h1_allow_half_closed(false)
    .workers(app.config.workers)
    .shutdown_timeout(app.config.stop_deadline.as_secs())
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    Ok(Running { address, handle, task: tokio::spawn(server) })
}
