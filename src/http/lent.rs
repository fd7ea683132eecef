//! A connection in the server's hands: it reads one request, writes the answer, and gives the connection back.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use super::arrival::Connection;
use super::pieces::READ;

/// How long the server may wait for more than there is. It does not, unless it reads a request in another way than
/// [`super::framing`]; or it carries out a long call, which is not disturbed by the end.
const AWAITS: Duration = Duration::from_secs(30);
/// How long a caller may take to receive any part of the answer.
const SENDS: Duration = Duration::from_secs(10);

/// What the server gets instead of the connection.
pub(super) struct Lent<S> {
    /// Until it is given back.
    connection: Option<Box<Connection<S>>>,
    back: Back<S>,
    /// What the server has taken since it last waited, in bytes.
    taken: usize,
    answer: Answer,
    /// The answer says that no other request may follow.
    is_last: bool,
    timer: Option<Pin<Box<Sleep>>>,
    _room: OwnedSemaphorePermit,
}

/// Where the connection is once the server has ended.
pub(super) type Back<S> = Rc<Cell<Option<Box<Connection<S>>>>>;

/// How far the server has come with its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    None,
    Begun,
    PassedOn,
}

impl<S> Lent<S> {
    pub(super) fn new(
        mut connection: Box<Connection<S>>,
        room: OwnedSemaphorePermit,
    ) -> (Self, Back<S>) {
        // Until the server asks for another request.
        connection.is_kept = false;
        let back = Rc::new(Cell::new(None));
        let lent = Self {
            connection: Some(connection),
            back: Rc::clone(&back),
            taken: 0,
            answer: Answer::None,
            is_last: false,
            timer: None,
            _room: room,
        };
        (lent, back)
    }

    pub(super) fn stream(&self) -> &S {
        let connection = self.connection.as_ref();
        &connection.expect(LENT).stream
    }
}

const LENT: &str = "it is given back at the end only";

impl<S> Drop for Lent<S> {
    fn drop(&mut self) {
        self.back.set(self.connection.take());
    }
}

impl<S: Unpin> AsyncRead for Lent<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let connection = this.connection.as_mut().expect(LENT);
        let is_over = this.is_last && this.answer == Answer::PassedOn;
        if connection.has_complete() && !is_over {
            if this.taken < READ {
                this.taken += connection.take(buffer);
                return Poll::Ready(Ok(()));
            }
            // Let the handler take it: the server's buffer grows as long as there is something to read.
            this.taken = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match this.answer {
            _ if connection.has_ended => {}
            Answer::None => {
                let wait = || Box::pin(tokio::time::sleep(AWAITS));
                ready!(this.timer.get_or_insert_with(wait).as_mut().poll(context));
            }
            Answer::Begun => return Poll::Pending,
            // The server would wait for the next request, or for the rest of one that it has refused.
            Answer::PassedOn => connection.is_kept = !this.is_last,
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lent<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let connection = this.connection.as_mut().expect(LENT);
        if this.answer == Answer::None {
            connection.settle();
            this.timer = None;
            this.is_last = says_close(bytes);
        }
        this.answer = Answer::Begun;
        let written = Pin::new(&mut connection.stream).poll_write(context, bytes);
        if written.is_ready() {
            this.timer = None;
            return written;
        }
        let wait = || Box::pin(tokio::time::sleep(SENDS));
        ready!(this.timer.get_or_insert_with(wait).as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let connection = this.connection.as_mut().expect(LENT);
        ready!(Pin::new(&mut connection.stream).poll_flush(context))?;
        if this.answer == Answer::Begun {
            this.answer = Answer::PassedOn;
            // So that the server asks for the next request.
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    /// Who lent the connection decides how it goes on.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Whether the head of an answer says that the connection ends with it.
fn says_close(answer: &[u8]) -> bool {
    let lines = answer.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let mut head = lines.take_while(|line| !line.is_empty());
    head.any(|line| line.eq_ignore_ascii_case(b"connection: close"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_an_answer_says_whether_the_connection_ends() {
        for (answer, ends) in [
            ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", true),
            (
                "HTTP/1.1 413 X\r\na: b\r\nconnection: close\r\nc: d\r\n\r\n",
                true,
            ),
            ("HTTP/1.1 200 OK\r\n\r\nconnection: close\r\n", false),
        ] {
            assert_eq!(says_close(answer.as_bytes()), ends, "{answer}");
        }
    }
}
