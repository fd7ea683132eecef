//! What leads to one of several servers, as MySQL Router does: connections to the previous one end.

use std::net::SocketAddr;

use fcom_sidecar::sample::machine::free_port;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::site::Site;

/// An address behind which the server can change.
pub(crate) struct Router {
    port: u16,
    server: watch::Sender<SocketAddr>,
    accepting: JoinHandle<()>,
}

impl Router {
    /// A router that leads to this server.
    pub(crate) async fn to(site: &Site) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let server = watch::Sender::new(address(site));
        let accepting = tokio::spawn(accept(listener, server.clone()));
        Self {
            port,
            server,
            accepting,
        }
    }

    /// The site's database URL through the router.
    pub(crate) fn url(&self, site: &Site) -> String {
        let direct = format!(":{}/", site.server.port());
        site.url().replace(&direct, &format!(":{}/", self.port))
    }

    /// Leads to another server from now on.
    pub(crate) fn lead_to(&self, site: &Site) {
        self.server.send_replace(address(site));
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn address(site: &Site) -> SocketAddr {
    ([127, 0, 0, 1], site.server.port()).into()
}

async fn accept(listener: TcpListener, server: watch::Sender<SocketAddr>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut server = server.subscribe();
        tokio::spawn(async move {
            let address = *server.borrow_and_update();
            let Ok(mut stream) = TcpStream::connect(address).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut stream) => {}
                _ = server.changed() => {}
            }
        });
    }
}
