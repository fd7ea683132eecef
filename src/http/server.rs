//! Binds and configures the two listeners.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, boxed, fn_factory, fn_service,
    map_config,
};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server};
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;

use super::budget::Budget;
use super::door::Door;
use super::inherited::Socket;
use super::lent::Lent;
use super::request_id::name_request;
use super::rules::LONGEST_READ;
use super::serving::serve;
use super::{Console, Front, Inherited, LocalUser, admin, console, shadow, webhook};
use crate::config::{Limits, Listen, Server as Listeners};
use crate::listen::{self, ListenError};

/// Both servers, bound and ready to be awaited.
pub struct Bound {
    /// Webhook calls.
    pub public: Server,
    /// Health, metrics, management and the console.
    pub admin: Server,
}

/// How long a caller may take to receive a response while it still sends.
const FAREWELL: Duration = Duration::from_secs(1);
/// The requests that the admin listener's server may have at once.
const ADMIN_ROOMS: usize = 256;
/// The memory for requests on the admin listener, in bytes: one of the longest, with its head, does not make it scarce.
const ADMIN_BUDGET: usize = LONGEST_READ / 3 * 4 + (1 << 18);

/// Binds both listeners, unless their sockets are inherited. The limits are the public listener's.
///
/// # Errors
/// An address is taken or not allowed.
pub fn bind(
    front: web::Data<Front>,
    console: web::Data<Console>,
    listeners: &Listeners,
    limits: &Limits,
    inherited: Inherited,
) -> Result<Bound, ListenError> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let shared = front.clone();
    let app = move || {
        let app = App::new()
            .app_data(shared.clone())
            .wrap(from_fn(name_request));
        if shared.shadow.is_some() {
            app.default_service(web::to(shadow::handle))
        } else {
            app.default_service(web::to(webhook::handle))
        }
    };
    let budget = Budget::new(limits.max_body_bytes_in_flight);
    let admin_budget = budget.beside(ADMIN_BUDGET);
    let door = Arc::new(Door {
        budget,
        rooms: Arc::clone(&front.rooms),
        front: front.clone(),
        console: None,
    });
    // The server's own limit applies to each worker.
    let builder = builder(listeners, workers)
        .max_concurrent_connections(limits.max_connections.div_ceil(workers));
    let stopping = builder.graceful_shutdown_signal();
    // The server does not wait for a next request itself.
    let keep_alive = KeepAlive::Os;
    let tcp = (door.clone(), stopping.clone(), app.clone());
    let public = open(
        builder,
        inherited.calls,
        &listeners.listen,
        "server.listen",
        listeners.socket_mode,
        move || {
            let (door, stopping, app) = tcp.clone();
            service(door, stopping, keep_alive, tcp_peer, app())
        },
        move || service(door.clone(), stopping.clone(), keep_alive, unix_peer, app()),
    )?;

    let (shared, operators) = (front.clone(), console.clone());
    let app = move || {
        App::new()
            .app_data(shared.clone())
            .app_data(operators.clone())
            .wrap(from_fn(admin::check_host))
            .wrap(from_fn(name_request))
            .configure(admin::configure)
            .configure(console::configure)
            .default_service(web::to(admin::not_found))
    };
    let door = Arc::new(Door {
        budget: admin_budget,
        rooms: Arc::new(Semaphore::new(ADMIN_ROOMS)),
        front,
        console: Some(console),
    });
    let builder = self::builder(listeners, 1);
    let stopping = builder.graceful_shutdown_signal();
    let tcp = (door.clone(), stopping.clone(), app.clone());
    let admin = open(
        builder,
        inherited.admin,
        &listeners.admin_listen,
        "server.admin_listen",
        listeners.socket_mode,
        move || {
            let (door, stopping, app) = tcp.clone();
            service(door, stopping, KeepAlive::Disabled, tcp_peer, app())
        },
        move || {
            service(
                door.clone(),
                stopping.clone(),
                KeepAlive::Disabled,
                unix_peer,
                app(),
            )
        },
    )?;
    Ok(Bound { public, admin })
}

fn builder(listeners: &Listeners, workers: usize) -> ServerBuilder {
    Server::build()
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(listeners.shutdown.as_secs())
}

/// Binds one listener, with the service for either kind of socket.
fn open<T, U>(
    builder: ServerBuilder,
    inherited: Option<Socket>,
    address: &Listen,
    key: &'static str,
    socket_mode: u32,
    tcp: impl Fn() -> T + Send + Clone + 'static,
    unix: impl Fn() -> U + Send + Clone + 'static,
) -> Result<Server, ListenError>
where
    T: ServiceFactory<TcpStream, Config = ()>,
    U: ServiceFactory<UnixStream, Config = ()>,
    T: 'static,
    U: 'static,
{
    let bound = match (inherited, address) {
        (Some(Socket::Tcp(socket)), _) => builder.listen(key, socket, tcp),
        (Some(Socket::Unix(socket)), _) => builder.listen_uds(key, socket, unix),
        (None, Listen::Tcp(address)) => builder.bind(key, address, tcp),
        (None, Listen::Unix(path)) => listen::open_socket(path, socket_mode)
            .and_then(|listener| builder.listen_uds(key, listener, unix)),
    };
    let refused = |source| ListenError::new(key, address, source);
    Ok(bound.map_err(refused)?.run())
}

/// Serves complete requests of the connections that come through this door.
fn service<S, I, A, B>(
    door: Arc<Door>,
    stopping: GracefulShutdownSignal,
    keep_alive: KeepAlive,
    peer: fn(&S) -> Peer,
    app: I,
) -> impl ServiceFactory<S, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    I: IntoServiceFactory<A, Request>,
    A: ServiceFactory<Request, Config = AppConfig> + 'static,
    A::Service: 'static,
    <A::Service as Service<Request>>::Future: 'static,
    A::Error: Into<actix_web::Error> + 'static,
    A::InitError: Debug,
    A::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    let stops = stopping.clone();
    let http = HttpService::build()
        .graceful_shutdown_signal(move || {
            let stops = stops.clone();
            async move { stops.notified().await }
        })
        .keep_alive(keep_alive)
        .on_connect_ext(move |lent: &Lent<S>, data| {
            if let Some(user) = peer(lent.stream()).user {
                data.insert(LocalUser(user));
            }
        })
        // Requests arrive complete.
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(FAREWELL);
    let app = app
        .into_factory()
        .map_err(|error| error.into().error_response());
    // Boxed, so that a connection that waits does not have room for the server's state.
    let http = boxed::factory(http.finish(map_config(app, |()| AppConfig::default())));
    fn_factory(move || {
        let starting = http.new_service(());
        let (door, stopping) = (Arc::clone(&door), stopping.clone());
        async move {
            let http = Rc::new(starting.await?);
            Ok::<_, ()>(fn_service(move |stream: S| {
                let (http, door, stopping) =
                    (Rc::clone(&http), Arc::clone(&door), stopping.clone());
                async move {
                    let peer = peer(&stream).address;
                    let answer = |lent| http.call((lent, Protocol::Http1, peer));
                    serve(stream, peer, door, stopping, answer).await;
                    Ok::<_, DispatchError>(())
                }
            }))
        }
    })
}

/// Who is at the other end of a connection, if the system says so.
struct Peer {
    address: Option<SocketAddr>,
    user: Option<u32>,
}

fn tcp_peer(stream: &TcpStream) -> Peer {
    Peer {
        address: stream.peer_addr().ok(),
        user: None,
    }
}

fn unix_peer(stream: &UnixStream) -> Peer {
    Peer {
        address: None,
        user: stream.peer_cred().ok().map(|credentials| credentials.uid()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::{PIECE, Share};
    use super::*;

    #[test]
    fn one_of_the_longest_forms_makes_no_memory_scarce() {
        let budget = Budget::new(ADMIN_BUDGET);
        let mut share = Share::none(&budget);
        // Its head, and the end of the last piece.
        assert!(share.try_add(LONGEST_READ + 3 * PIECE));
        assert!(!budget.is_scarce());
        assert!(share.try_add(1 << 20));
    }
}
