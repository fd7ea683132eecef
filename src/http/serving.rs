//! Serves a connection: request after request arrives, is answered by the server or refused, until one side ends it.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_server::GracefulShutdownSignal;
use tokio::io::{AsyncRead, AsyncWrite};

use super::arrival::{Arrived, Connection};
use super::door::Door;
use super::lent::Lent;

/// Serves a connection to its end. The server's `answer` gets it for each request that finds room.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin, F: Future>(
    stream: S,
    peer: Option<SocketAddr>,
    door: Arc<Door>,
    stopping: GracefulShutdownSignal,
    answer: impl Fn(Lent<S>) -> F,
) {
    // Boxed, and what is rare below as well: thousands may wait here.
    let mut connection = Box::new(Connection::new(stream, peer, door));
    loop {
        let head = match connection.collect(stopping.notified()).await {
            Arrived::Request(head) => head,
            Arrived::Refused(why) => return Box::pin(connection.refuse(why)).await,
            Arrived::Nothing => return,
        };
        if let Some(room) = connection.door.room(head.as_ref()) {
            drop(head);
            let (lent, back) = Lent::new(connection, room);
            answer(lent).await;
            let Some(returned) = back.take() else {
                return;
            };
            connection = returned;
            connection.settle();
        } else {
            Box::pin(connection.turn_away(head.as_ref())).await;
        }
        if !connection.is_kept {
            return Box::pin(connection.end()).await;
        }
    }
}
