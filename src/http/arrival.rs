//! Collects each request of a connection before the server sees it, and has the connection back once it is answered.
//!
//! While the server has a connection, it takes some twenty kilobytes, and its buffers grow with whatever the peer sends. So
//! a connection waits here, for its first request and for each next one, in as much memory as it has sent bytes. These
//! count towards the budget; a few are free, so that ordinary calls always fit. Who holds something back, or sends a
//! long body with a key that opens nothing, is refused from here, and so is a request that finds no room: at once, and
//! its connection goes on.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::begun::Begun;
use super::budget::{PIECE, Share};
use super::client::Client;
use super::door::Door;
use super::framing::{Head, end_of_head};
use super::pieces::{Pieces, READ, SHORT, poll_some};
use super::unread::{self, Asked, Unread, key_of};

/// What each request may hold in any case, in bytes.
const FREE: usize = SHORT;
/// What a connection occupies itself while it waits, in bytes.
const CONNECTION: usize = 2 << 10;
/// The longest head, in bytes: it has to be in one piece.
const LONGEST_HEAD: usize = PIECE;
/// The time limit for a head to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for a body while there is room for others.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection is kept for a next request while there is room for others.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// The time limit for both while there is not. Time limits are looked at as often.
const SCARCE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller may take to receive a refusal while it still sends.
const FAREWELL: Duration = Duration::from_secs(2);

/// A connection that gives the server one complete request at a time.
pub(super) struct Connection<S> {
    pub(super) stream: S,
    pub(super) door: Arc<Door>,
    peer: Option<SocketAddr>,
    /// What was received and not taken by the server.
    pieces: Pieces,
    /// The length of that.
    length: usize,
    /// How much of it the server may take.
    complete: usize,
    at: At,
    /// When the connection began to wait for what it waits for.
    since: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    share: Share,
    /// Nothing more will be read after what the server may take.
    pub(super) has_ended: bool,
    /// A request was answered, and the next one may follow.
    pub(super) is_kept: bool,
}

enum At {
    Head { searched: usize },
    Body(Box<Begun>),
}

/// What came of waiting for a request.
pub(super) enum Arrived {
    /// A complete request, with its head if the server will understand it.
    Request(Option<Head>),
    Refused(Unread),
    Nothing,
}

impl<S> Connection<S> {
    /// Whether there is something for the server to take.
    pub(super) fn has_complete(&self) -> bool {
        self.complete > 0
    }

    /// Gives the server something of a complete request, and returns how much.
    pub(super) fn take(&mut self, buffer: &mut ReadBuf<'_>) -> usize {
        let size = self.pieces.take(self.complete.min(READ), buffer);
        self.forget(size);
        size
    }

    fn forget(&mut self, size: usize) {
        self.length -= size;
        self.complete -= size;
        if self.complete == 0 {
            self.pieces.compact();
        }
    }

    /// Counts what is held now: a request whose answer has begun is not.
    pub(super) fn settle(&mut self) {
        self.share.set(CONNECTION + self.pieces.held());
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, peer: Option<SocketAddr>, door: Arc<Door>) -> Self {
        let mut connection = Self {
            stream,
            peer,
            pieces: Pieces::none(&door.budget),
            length: 0,
            complete: 0,
            at: At::Head { searched: 0 },
            since: Instant::now(),
            timer: None,
            share: Share::none(&door.budget),
            has_ended: false,
            is_kept: false,
            door,
        };
        connection.settle();
        connection
    }

    /// Waits for a complete request.
    pub(super) async fn collect(&mut self, stopping: impl Future<Output = ()>) -> Arrived {
        self.wait_anew();
        let mut stopping = pin!(stopping);
        std::future::poll_fn(|context| {
            let arrived = self.poll_collect(context);
            let has_begun = matches!(self.at, At::Body(_));
            if arrived.is_pending() && !has_begun && stopping.as_mut().poll(context).is_ready() {
                return Poll::Ready(Arrived::Nothing);
            }
            arrived
        })
        .await
    }

    /// Refuses a request that is not complete, and ends the connection.
    pub(super) async fn refuse(mut self: Box<Self>, why: Unread) {
        let (head, client) = match std::mem::replace(&mut self.at, At::Head { searched: 0 }) {
            At::Head { .. } => (None, None),
            At::Body(begun) => (Some(begun.head), begun.client),
        };
        let bytes = self.refusal(head.as_ref(), client, why, false);
        self.say(&bytes, true).await;
    }

    /// Ends a connection that is not kept.
    pub(super) async fn end(self: Box<Self>) {
        let discards = self.has_ended || self.length > 0;
        self.say(&[], discards).await;
    }

    /// Refuses a complete request for overload. The next one may follow.
    pub(super) async fn turn_away(&mut self, head: Option<&Head>) {
        let front = &self.door.front;
        let may_follow = |head: &Head| head.is_post && head.is_kept;
        self.is_kept = !front.draining.is_cancelled() && head.is_some_and(may_follow);
        let bytes = self.refusal(head, None, Unread::Overloaded, self.is_kept);
        self.pieces.skip(self.complete);
        self.forget(self.complete);
        self.settle();
        let answered = tokio::time::timeout(FAREWELL, self.stream.write_all(&bytes));
        self.is_kept &= matches!(answered.await, Ok(Ok(())));
    }

    fn refusal(
        &self,
        head: Option<&Head>,
        client: Option<Client>,
        why: Unread,
        follows: bool,
    ) -> Vec<u8> {
        let (door, peer) = (&self.door, self.peer.map(|peer| peer.ip()));
        let asked = Asked { peer, head, client };
        unread::answer(&door.front, door.is_public(), &asked, why, follows)
    }

    /// Says the last words and closes. If the caller may still send, discards that for a moment: otherwise the answer may
    /// not reach it.
    async fn say(mut self: Box<Self>, words: &[u8], discards: bool) {
        // What was received is of no use any longer.
        self.pieces.skip(self.length);
        self.length = 0;
        self.settle();
        let stream = &mut self.stream;
        let farewell = async {
            stream.write_all(words).await?;
            stream.shutdown().await?;
            let discard = |_: &[u8]| ();
            while discards
                && std::future::poll_fn(|context| poll_some(stream, context, READ, discard))
                    .await?
                    .is_some()
            {}
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    /// Starts the time limit for what is to come now.
    fn wait_anew(&mut self) {
        self.since = Instant::now();
        self.timer = None;
    }

    /// Receives until a request is complete.
    fn poll_collect(&mut self, context: &mut Context<'_>) -> Poll<Arrived> {
        loop {
            if let At::Body(begun) = &mut self.at
                && let Some(asking) = &mut begun.asking
            {
                match asking.as_mut().poll(context) {
                    Poll::Pending => return self.poll_timer(context),
                    Poll::Ready(Ok(())) => begun.asking = None,
                    Poll::Ready(Err(why)) => return Poll::Ready(Arrived::Refused(why)),
                }
            }
            if let Some(arrived) = self.judge(context) {
                return Poll::Ready(arrived);
            }
            if matches!(&self.at, At::Body(begun) if begun.asking.is_some()) {
                continue;
            }
            match self.poll_receive(context) {
                Poll::Ready(None) => {}
                Poll::Ready(Some(arrived)) => return Poll::Ready(arrived),
                Poll::Pending => return self.poll_timer(context),
            }
        }
    }

    /// Looks at what has been received; `None` if more is needed.
    fn judge(&mut self, context: &mut Context<'_>) -> Option<Arrived> {
        if let At::Head { searched } = self.at {
            let bytes = self.pieces.first();
            let end = end_of_head(bytes, searched);
            let Some(end) = end else {
                if bytes.len() == LONGEST_HEAD {
                    return Some(Arrived::Refused(Unread::LongHead));
                }
                self.at = At::Head {
                    searched: bytes.len(),
                };
                return None;
            };
            let Some(begun) = Begun::with(bytes, end) else {
                // The server will say what is wrong with it.
                self.has_ended = true;
                self.complete = self.length;
                return Some(Arrived::Request(None));
            };
            self.at = At::Body(Box::new(begun));
            self.wait_anew();
        }
        let At::Body(begun) = &mut self.at else {
            return None;
        };
        let is_complete = begun.end.is_some_and(|end| end <= self.length);
        if !is_complete
            && self.door.is_public()
            && begun.client.is_none()
            && begun.body_length(self.length) > FREE
        {
            if !begun.head.is_post {
                return Some(Arrived::Refused(Unread::WrongMethod));
            }
            let head = &self.pieces.first()[..begun.head_length];
            let (peer, front) = (self.peer.map(|peer| peer.ip()), self.door.front.clone());
            let client = unread::client(&front, peer, head);
            begun.client = Some(client);
            begun.asking = Some(Box::pin(unread::ask(front, key_of(&begun.head), client)));
            return None;
        }
        let is_longer = |longest| begun.is_longer_than(longest, self.length);
        let head = &self.pieces.first()[..begun.head_length];
        if !is_complete
            && is_longer(self.door.longest_body())
            && is_longer(self.door.longest_body_after(head))
        {
            return Some(Arrived::Refused(Unread::TooLarge));
        }
        if let Some(expects) = begun.take_expects() {
            if !is_complete {
                // A few bytes into an empty buffer.
                let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
                let _ = Pin::new(&mut self.stream).poll_write(context, go_on);
            }
            // The server must not say it again.
            self.length -= expects.len();
            self.pieces.remove_of_first(expects);
        }
        let end = begun.end.filter(|_| is_complete)?;
        self.has_ended = begun.is_unclear();
        self.complete = end;
        let at = std::mem::replace(&mut self.at, At::Head { searched: 0 });
        Some(Arrived::Request(match at {
            At::Body(begun) => Some(begun.head),
            At::Head { .. } => None,
        }))
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Option<Arrived>> {
        let most = match &self.at {
            At::Body(begun) => begun.end.map_or(READ, |end| READ.min(end - self.length)),
            // Nothing of a long body before its key is known.
            At::Head { .. } => FREE.min(LONGEST_HEAD - self.length),
        };
        let (pieces, at, share) = (&mut self.pieces, &mut self.at, &mut self.share);
        let before = self.length;
        let received = poll_some(&mut self.stream, context, most, |bytes| {
            let length = before + bytes.len();
            let cost = pieces.cost(bytes.len());
            if length <= FREE {
                share.add(cost);
            } else if !share.try_add(cost) {
                return None;
            }
            if let At::Body(begun) = at {
                begun.follow(bytes, before);
            }
            pieces.append(bytes);
            Some(length)
        });
        Poll::Ready(match ready!(received) {
            Ok(Some(Some(length))) => {
                self.length = length;
                if before == 0 {
                    self.wait_anew();
                }
                None
            }
            Ok(Some(None)) => Some(Arrived::Refused(Unread::Overloaded)),
            Ok(None) if matches!(self.at, At::Body(_)) => Some(Arrived::Refused(Unread::BrokenOff)),
            Ok(None) | Err(_) => Some(Arrived::Nothing),
        })
    }

    /// Gives up what takes too long.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<Arrived> {
        loop {
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(SCARCE_TIMEOUT)));
            ready!(timer.as_mut().poll(context));
            self.timer = None;
            if self.since.elapsed() >= self.patience() {
                return Poll::Ready(match self.length {
                    0 => Arrived::Nothing,
                    _ => Arrived::Refused(Unread::TooSlow),
                });
            }
        }
    }

    fn patience(&self) -> Duration {
        let is_scarce = || self.door.budget.is_scarce();
        match &self.at {
            At::Head { .. } if self.length > 0 || !self.is_kept => HEAD_TIMEOUT,
            At::Head { .. } if !is_scarce() => KEEP_ALIVE,
            At::Body(_) if self.length <= FREE || !is_scarce() => BODY_TIMEOUT,
            _ => SCARCE_TIMEOUT,
        }
    }
}
