//! Binds and configures the two listeners.

use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

use super::inherited::Socket;
use super::request_id::name_request;
use super::{Front, Inherited, admin, webhook};
use crate::config::{Listen, Server as Listeners};
use crate::listen::{self, ListenError};

/// Both servers, bound and ready to be awaited.
pub struct Bound {
    /// Webhook calls.
    pub public: Server,
    /// Health, metrics and management.
    pub admin: Server,
}

/// Time limit for a request's head to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);

// A macro, because the two servers have different, unnameable types.
macro_rules! configured {
    ($server:expr, $inherited:expr, $listen:expr, $key:literal, $listeners:expr) => {{
        let server = $server
            .disable_signals()
            .client_request_timeout(HEAD_TIMEOUT)
            .keep_alive(KEEP_ALIVE)
            .shutdown_timeout($listeners.shutdown.as_secs());
        let bound = match ($inherited, $listen) {
            (Some(Socket::Tcp(socket)), _) => server.listen(socket),
            (Some(Socket::Unix(socket)), _) => server.listen_uds(socket),
            (None, Listen::Tcp(address)) => server.bind(address),
            (None, Listen::Unix(path)) => listen::open_socket(path, $listeners.socket_mode)
                .and_then(|listener| server.listen_uds(listener)),
        };
        let refused = |source| ListenError::new($key, $listen, source);
        bound.map_err(refused)?.run()
    }};
}

/// Binds both listeners, unless their sockets are inherited. `max_connections` is the public listener's limit.
///
/// # Errors
/// An address is taken or not allowed.
pub fn bind(
    front: web::Data<Front>,
    listeners: &Listeners,
    max_connections: usize,
    inherited: Inherited,
) -> Result<Bound, ListenError> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let shared = front.clone();
    let public = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .wrap(from_fn(name_request))
            .default_service(web::to(webhook::handle))
    })
    .workers(workers)
    // The server's own limit applies to each worker.
    .max_connections(max_connections.div_ceil(workers));
    let public = configured!(
        public,
        inherited.calls,
        &listeners.listen,
        "server.listen",
        listeners
    );
    let admin = HttpServer::new(move || {
        App::new()
            .app_data(front.clone())
            .wrap(from_fn(admin::check_host))
            .wrap(from_fn(name_request))
            .configure(admin::configure)
            .default_service(web::to(admin::not_found))
    })
    .workers(1);
    let admin = configured!(
        admin,
        inherited.admin,
        &listeners.admin_listen,
        "server.admin_listen",
        listeners
    );
    Ok(Bound { public, admin })
}
