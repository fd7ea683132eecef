//! Many clients at once that each begin something and do not end it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::harness::eventually::eventually;

/// What a connection has to have sent before it counts as begun; a system keeps so much of it even if nobody reads.
const BEGUN: usize = 64 << 10;

/// Connections that stay open until the other side closes them, or until this is dropped.
pub(crate) struct Crowd {
    begun: Arc<AtomicUsize>,
    size: usize,
    /// The answers so far are in the results.
    members: JoinSet<String>,
}

impl Crowd {
    /// As many connections that each send these bytes and then wait. Returns once all have begun.
    pub(crate) async fn gather(to: SocketAddr, size: usize, bytes: Vec<u8>) -> Self {
        let (begun, bytes): (Arc<AtomicUsize>, Arc<[u8]>) = (Arc::default(), bytes.into());
        let mut members = JoinSet::new();
        for _ in 0..size {
            let (begun, bytes) = (Arc::clone(&begun), Arc::clone(&bytes));
            members.spawn(async move {
                let stream = connect(to).await;
                member(stream, &bytes, &begun).await
            });
        }
        let crowd = Self {
            begun,
            size,
            members,
        };
        eventually(async || match crowd.begun.load(Ordering::Relaxed) {
            begun if begun == crowd.size => Ok(()),
            begun => Err(format!("{begun} of {} have begun", crowd.size)),
        })
        .await;
        crowd
    }

    /// The first lines of the answers that have come, each with its number.
    pub(crate) fn answers(&mut self) -> std::collections::BTreeMap<String, usize> {
        let mut answers = std::collections::BTreeMap::new();
        while let Some(answer) = self.members.try_join_next() {
            *answers.entry(answer.unwrap()).or_default() += 1;
        }
        answers
    }
}

/// With a small buffer, so that thousands of them do not fill the system's memory.
async fn connect(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(32 << 10).unwrap();
    socket.connect(to).await.unwrap()
}

async fn member(mut stream: TcpStream, bytes: &[u8], begun: &AtomicUsize) -> String {
    let (mut reader, mut writer) = stream.split();
    let send = async {
        let (first, rest) = bytes.split_at(bytes.len().min(BEGUN));
        let sent = writer.write_all(first).await;
        begun.fetch_add(1, Ordering::Relaxed);
        if sent.is_ok() {
            let _ = writer.write_all(rest).await;
        }
    };
    let receive = async {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        answer.lines().next().unwrap_or_default().to_owned()
    };
    let (answer, ()) = tokio::join!(receive, send);
    answer
}
