//! Collects each request of a connection before the server sees it.
//!
//! A connection of the server occupies some ten kilobytes, and the server's buffers grow with whatever the peer sends. So
//! a connection waits here until its request is complete, in as much memory as it has sent bytes. These count towards the
//! [`Budget`]; a few are free, so that ordinary calls always fit. Who holds something back, or
//! sends a long body with a key that opens nothing, is refused from here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::web;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use super::Front;
use super::begun::Begun;
use super::budget::{Budget, Share};
use super::framing::{Body, end_of_head};
use super::pieces::{PIECE, Pieces, poll_some};
use super::unread::{Unread, answer, key_of};

/// What each request may hold in any case, in bytes.
const FREE: usize = 2 << 10;
/// What a connection occupies itself while it waits, in bytes.
const CONNECTION: usize = 2 << 10;
/// The longest head, in bytes.
const LONGEST_HEAD: usize = 32 << 10;
/// The time limit for a head to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for a body while there is room for others.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The time limit for a long body while there is not.
const SCARCE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller may take to receive a refusal while it still sends.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the connections of one listener share.
pub(super) struct Door {
    pub(super) front: web::Data<Front>,
    pub(super) budget: Arc<Budget>,
    /// The connections that the server may have at once; others wait with their complete requests.
    pub(super) rooms: Arc<Semaphore>,
    /// Whether keys are asked for here.
    pub(super) is_public: bool,
}

/// A connection that gives the server complete requests only.
pub(super) struct Connection<S> {
    stream: S,
    door: Arc<Door>,
    /// What was received and not taken by the server.
    pieces: Pieces,
    /// The length of that.
    length: usize,
    /// How much of it the server may take.
    complete: usize,
    /// What the server has taken since it last waited.
    taken: usize,
    at: At,
    timer: Option<Pin<Box<Sleep>>>,
    /// For what is being collected.
    share: Share,
    /// For requests that the server has not answered.
    unanswered: Share,
    /// The server has passed on all that it has written.
    is_flushed: bool,
    /// Nothing more will be received.
    has_ended: bool,
    /// A refusal was said here: what still comes is discarded, or the caller may not get to read it.
    discards: bool,
    /// While the server has the connection.
    room: Option<OwnedSemaphorePermit>,
}

enum At {
    Head { searched: usize },
    Body(Box<Begun>),
}

enum Verdict {
    Complete,
    Refused(Unread),
    Closed,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Waits for the first request. `None` if it did not come or was refused.
    pub(super) async fn receive(
        stream: S,
        door: Arc<Door>,
        stopping: impl Future<Output = ()>,
    ) -> Option<Box<Self>> {
        let budget = &door.budget;
        // Boxed, and the refusal below as well: thousands may wait here.
        let mut connection = Box::new(Self {
            stream,
            pieces: Pieces::default(),
            length: 0,
            complete: 0,
            taken: 0,
            at: At::Head { searched: 0 },
            timer: None,
            share: Share::none(budget),
            unanswered: Share::none(budget),
            is_flushed: true,
            has_ended: false,
            discards: false,
            room: None,
            door,
        });
        connection.share.add(CONNECTION);
        let verdict = {
            let mut stopping = std::pin::pin!(stopping);
            std::future::poll_fn(|context| {
                let verdict = connection.poll_collect(context);
                let has_begun = !matches!(connection.at, At::Head { .. });
                // The server closes such connections, too.
                if verdict.is_pending() && !has_begun && stopping.as_mut().poll(context).is_ready()
                {
                    return Poll::Ready(Verdict::Closed);
                }
                verdict
            })
            .await
        };
        match verdict {
            Verdict::Complete => {
                let rooms = Arc::clone(&connection.door.rooms);
                connection.room = rooms.acquire_owned().await.ok();
                Some(connection)
            }
            Verdict::Refused(why) => {
                Box::pin(connection.refuse(why)).await;
                None
            }
            Verdict::Closed => None,
        }
    }

    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    /// Answers, and discards what still comes for a moment: otherwise the answer may not reach a caller who sends.
    async fn refuse(self: Box<Self>, why: Unread) {
        let mut this = *self;
        let bytes = this.refusal(why);
        // What was received is of no use any longer.
        drop((this.pieces, this.at));
        this.share.clear();
        this.share.add(CONNECTION);
        let stream = &mut this.stream;
        let farewell = async {
            stream.write_all(&bytes).await?;
            stream.shutdown().await?;
            let discard = |_: &[u8]| ();
            while std::future::poll_fn(|context| poll_some(stream, context, PIECE, discard))
                .await?
                .is_some()
            {}
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    /// Ends a connection that the server has. The refusal of a further request is said here, unless an earlier one still
    /// waits for its answer.
    fn end(&mut self, context: &mut Context<'_>, verdict: &Verdict) {
        self.has_ended = true;
        if let &Verdict::Refused(why) = verdict
            && self.unanswered.is_none()
            && self.is_flushed
        {
            let bytes = self.refusal(why);
            // Into an empty buffer, as with "100 Continue".
            let said = Pin::new(&mut self.stream).poll_write(context, &bytes);
            self.discards = said.is_ready();
        }
        self.at = At::Head { searched: 0 };
        self.pieces = Pieces::default();
        self.share.clear();
    }

    fn refusal(&self, why: Unread) -> Vec<u8> {
        let head = match &self.at {
            At::Head { .. } => None,
            At::Body(begun) => Some(&begun.head),
        };
        answer(&self.door.front, self.door.is_public, head, why)
    }

    /// Receives until a request is complete.
    fn poll_collect(&mut self, context: &mut Context<'_>) -> Poll<Verdict> {
        loop {
            if let At::Body(begun) = &mut self.at
                && let Some(asking) = &mut begun.asking
            {
                match asking.as_mut().poll(context) {
                    Poll::Pending => return self.poll_timer(context),
                    Poll::Ready(true) => begun.asking = None,
                    Poll::Ready(false) => return Poll::Ready(Verdict::Refused(Unread::UnknownKey)),
                }
            }
            if let Some(verdict) = self.judge(context) {
                return Poll::Ready(verdict);
            }
            if matches!(&self.at, At::Body(begun) if begun.asking.is_some()) {
                continue;
            }
            match self.poll_receive(context) {
                Poll::Ready(None) => {}
                Poll::Ready(Some(verdict)) => return Poll::Ready(verdict),
                Poll::Pending => return self.poll_timer(context),
            }
        }
    }

    /// Looks at what has been received; `None` if more is needed.
    fn judge(&mut self, context: &mut Context<'_>) -> Option<Verdict> {
        if let At::Head { searched } = self.at {
            let bytes = self.pieces.first();
            let end = end_of_head(bytes, searched);
            if end.unwrap_or(bytes.len()) > LONGEST_HEAD {
                return Some(Verdict::Refused(Unread::LongHead));
            }
            let Some(end) = end else {
                self.at = At::Head {
                    searched: bytes.len(),
                };
                return None;
            };
            let Some(begun) = Begun::with(bytes, end) else {
                // The server will say what is wrong with it.
                self.has_ended = true;
                return Some(self.completed(self.length));
            };
            self.has_ended |= matches!(begun.head.body, Body::Unclear);
            self.timer = None;
            self.at = At::Body(Box::new(begun));
        }
        let At::Body(begun) = &mut self.at else {
            return None;
        };
        if let Some(end) = begun.end.filter(|&end| end <= self.length) {
            return Some(self.completed(end));
        }
        if self.door.is_public && !begun.is_checked && begun.end.unwrap_or(self.length) > FREE {
            begun.is_checked = true;
            if !begun.head.is_post {
                return Some(Verdict::Refused(Unread::WrongMethod));
            }
            let Some(key) = key_of(&begun.head) else {
                return Some(Verdict::Refused(Unread::UnknownKey));
            };
            let front = self.door.front.clone();
            begun.asking = Some(Box::pin(
                async move { front.known_keys.may_open(&key).await },
            ));
            return None;
        }
        let longest = self.door.front.rules.borrow().max_body_bytes;
        if begun.is_longer_than(longest, self.length) {
            return Some(Verdict::Refused(Unread::TooLarge));
        }
        if self.unanswered.is_none()
            && let Some(expects) = begun.head.expects.take()
        {
            // A few bytes into an empty buffer. The server must not say it again.
            let _ =
                Pin::new(&mut self.stream).poll_write(context, b"HTTP/1.1 100 Continue\r\n\r\n");
            self.length -= expects.len();
            begun.head_length -= expects.len();
            begun.end = begun.end.map(|end| end - expects.len());
            self.pieces.remove_of_first(expects);
        }
        None
    }

    /// The server may take so much.
    fn completed(&mut self, end: usize) -> Verdict {
        self.complete = end;
        self.at = At::Head { searched: 0 };
        self.timer = None;
        self.unanswered.take(&mut self.share);
        Verdict::Complete
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Option<Verdict>> {
        let most = match &self.at {
            At::Body(begun) => begun.end.map_or(PIECE, |end| PIECE.min(end - self.length)),
            // Nothing of a long body before its key is known.
            At::Head { .. } => FREE,
        };
        let (pieces, at, share) = (&mut self.pieces, &mut self.at, &mut self.share);
        let before = self.length;
        let received = poll_some(&mut self.stream, context, most, |bytes| {
            let length = before + bytes.len();
            let is_first = length <= FREE || matches!(at, At::Head { .. });
            let cost = pieces.cost(bytes.len(), is_first);
            if length <= FREE {
                share.add(cost);
            } else if !share.try_add(cost) {
                return None;
            }
            if let At::Body(begun) = at {
                begun.follow(bytes, before);
            }
            pieces.append(bytes, is_first);
            Some(length)
        });
        let verdict = match ready!(received) {
            Ok(Some(Some(length))) => {
                self.length = length;
                None
            }
            Ok(Some(None)) => Some(Verdict::Refused(Unread::Overloaded)),
            Ok(None) if matches!(self.at, At::Body(_)) => Some(Verdict::Refused(Unread::BrokenOff)),
            Ok(None) | Err(_) => Some(Verdict::Closed),
        };
        Poll::Ready(verdict)
    }

    /// Refuses a request that takes too long.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<Verdict> {
        // The server has its own limit between two requests.
        if self.length == 0 && self.room.is_some() {
            return Poll::Pending;
        }
        loop {
            let wait = match &self.at {
                At::Head { .. } => HEAD_TIMEOUT,
                At::Body(_) => SCARCE_TIMEOUT,
            };
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
            ready!(timer.as_mut().poll(context));
            match &self.at {
                At::Head { .. } if self.length == 0 => return Poll::Ready(Verdict::Closed),
                At::Body(begun)
                    if begun.since.elapsed() < BODY_TIMEOUT
                        && !(self.length > FREE && self.door.budget.is_scarce()) =>
                {
                    self.timer = None;
                }
                _ => return Poll::Ready(Verdict::Refused(Unread::TooSlow)),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.complete == 0 {
            this.taken = 0;
            if this.has_ended {
                return Poll::Ready(Ok(()));
            }
            match ready!(this.poll_collect(context)) {
                Verdict::Complete => {}
                verdict => {
                    this.end(context, &verdict);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        if this.taken >= PIECE {
            // Let the handler take it: the server's buffer grows as long as there is something to read.
            this.taken = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let size = this.pieces.take(this.complete.min(PIECE), buffer);
        this.length -= size;
        this.complete -= size;
        this.taken += size;
        if this.complete == 0 {
            this.pieces.join();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.unanswered.clear();
        this.is_flushed = false;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        this.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        // Until the server's own limit.
        while this.discards {
            let received = poll_some(&mut this.stream, context, PIECE, |_| ());
            this.discards = ready!(received)?.is_some();
        }
        Poll::Ready(Ok(()))
    }
}
