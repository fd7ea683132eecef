//! A proxy in front of the database that fails as networks do: it falls silent, breaks just before a commit's answer, or
//! delivers a commit late. And as proxies do that know the protocol: it says what became of its own connection to the server.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fcom_sidecar::sample::machine::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::site::Site;

/// The last statement of a batch, at the end of its packet.
const COMMIT: &[u8] = b"COMMIT";
/// The command with which the pool checks a connection.
const PING: u8 = 0x0e;

/// Forwards bytes between the daemon and the database server.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    server: SocketAddr,
    opened: AtomicU64,
    /// Connections up to this number are silent: open, but nothing passes.
    silent: watch::Sender<u64>,
    /// Connections up to this number are cut.
    cut: watch::Sender<u64>,
    /// Whether the next commit loses its answer and all connections break.
    cuts_at_commit: AtomicBool,
    commit_lost: watch::Sender<bool>,
    /// Whether the next commit is held back and its client's connection breaks.
    holds_commit: AtomicBool,
    commit_held: watch::Sender<bool>,
    /// Whether what was held back is delivered.
    delivers: watch::Sender<bool>,
    delivered: watch::Sender<bool>,
    /// Whether the next commit is answered with the error of a lost connection.
    denies_commit: AtomicBool,
    commit_denied: watch::Sender<bool>,
    /// Whether no server is reached for a new connection.
    is_stranded: AtomicBool,
    round_trips: AtomicU64,
    commits: AtomicU64,
}

/// What becomes of a commit.
enum Fate {
    /// It waits in the proxy.
    Held(Vec<u8>),
    /// The server carries it out, and its client hears of an error.
    Denied(Vec<u8>),
}

impl Proxy {
    /// Starts a proxy in front of the site's server.
    pub(crate) async fn start(site: &Site) -> Self {
        let proxy = Self {
            address: ([127, 0, 0, 1], free_port()).into(),
            state: Arc::new(State {
                server: ([127, 0, 0, 1], site.server.port()).into(),
                opened: AtomicU64::new(0),
                silent: watch::Sender::new(0),
                cut: watch::Sender::new(0),
                cuts_at_commit: AtomicBool::new(false),
                commit_lost: watch::Sender::new(false),
                holds_commit: AtomicBool::new(false),
                commit_held: watch::Sender::new(false),
                delivers: watch::Sender::new(false),
                delivered: watch::Sender::new(false),
                denies_commit: AtomicBool::new(false),
                commit_denied: watch::Sender::new(false),
                is_stranded: AtomicBool::new(false),
                round_trips: AtomicU64::new(0),
                commits: AtomicU64::new(0),
            }),
            accepting: Mutex::default(),
        };
        proxy.come_back().await;
        proxy
    }

    /// The site's database URL through this proxy. Unencrypted, so that the proxy can see a commit.
    pub(crate) fn url(&self, site: &Site) -> String {
        let direct = format!(":{}/", site.server.port());
        let url = site.url();
        url.replace(&direct, &format!(":{}/", self.address.port())) + "?ssl-mode=DISABLED"
    }

    /// The number of round trips so far; pings of idle connections do not count.
    pub(crate) fn round_trips(&self) -> u64 {
        self.state.round_trips.load(Ordering::SeqCst)
    }

    /// The number of transactions that were to be committed so far.
    pub(crate) fn commits(&self) -> u64 {
        self.state.commits.load(Ordering::SeqCst)
    }

    /// All existing connections stay open, but no data passes any more. New ones work.
    pub(crate) fn fall_silent(&self) {
        let opened = self.state.opened.load(Ordering::SeqCst);
        self.state.silent.send_replace(opened);
    }

    /// The same for new ones, until [`Self::speak_again`].
    pub(crate) fn fall_silent_for_good(&self) {
        self.state.silent.send_replace(u64::MAX);
    }

    /// All existing connections break. New ones work.
    pub(crate) fn speak_again(&self) {
        self.fall_silent();
        self.cut();
    }

    /// All existing connections break. New ones work.
    pub(crate) fn cut(&self) {
        let opened = self.state.opened.load(Ordering::SeqCst);
        self.state.cut.send_replace(opened);
    }

    /// Waits for the next commit, lets it reach the server and be answered, and breaks all connections before the
    /// answer arrives. New ones are refused from then on.
    pub(crate) async fn lose_the_next_commit(&self) {
        self.state.cuts_at_commit.store(true, Ordering::SeqCst);
        let mut lost = self.state.commit_lost.subscribe();
        lost.wait_for(|lost| *lost).await.unwrap();
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
        }
        self.state.cut.send_replace(u64::MAX);
    }

    /// Waits for the next commit, holds it back, and breaks the connection of its client only: to the server it is open,
    /// in its transaction. Everything else passes.
    pub(crate) async fn hold_the_next_commit(&self) {
        self.state.holds_commit.store(true, Ordering::SeqCst);
        let mut held = self.state.commit_held.subscribe();
        held.wait_for(|held| *held).await.unwrap();
    }

    /// Lets the commit that was held back reach the server.
    pub(crate) fn deliver(&self) {
        self.state.delivers.send_replace(true);
    }

    /// The same, and waits until the server is done with it.
    pub(crate) async fn deliver_to_the_end(&self) {
        self.deliver();
        let mut delivered = self.state.delivered.subscribe();
        delivered.wait_for(|delivered| *delivered).await.unwrap();
    }

    /// Waits for the next commit and lets the server carry it out. Its client gets an error packet, as `ProxySQL` sends it when
    /// it has lost its server, on a connection that stays open.
    pub(crate) async fn deny_the_next_commit(&self) {
        self.state.denies_commit.store(true, Ordering::SeqCst);
        let mut denied = self.state.commit_denied.subscribe();
        denied.wait_for(|denied| *denied).await.unwrap();
    }

    /// Cuts all connections, and answers new ones with an error packet, as MySQL Router does when it reaches no server.
    pub(crate) fn strand(&self) {
        self.state.is_stranded.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// The server is reached again.
    pub(crate) fn refloat(&self) {
        self.state.is_stranded.store(false, Ordering::SeqCst);
    }

    /// New connections are accepted again.
    pub(crate) async fn come_back(&self) {
        self.speak_again();
        let listener = TcpListener::bind(self.address).await.unwrap();
        let accept = accept(listener, self.state.clone());
        *self.accepting.lock().unwrap() = Some(tokio::spawn(accept));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let number = 1 + state.opened.fetch_add(1, Ordering::SeqCst);
        let state = state.clone();
        tokio::spawn(async move {
            let mut cut = state.cut.subscribe();
            tokio::select! {
                _ = pass(client, number, &state) => {}
                _ = cut.wait_for(|up_to| number <= *up_to) => {}
            }
        });
    }
}

/// An error packet, whose text names no value.
fn error_packet(sequence: u8, number: u16, words: &str) -> Vec<u8> {
    let mut body = vec![0xff];
    body.extend(number.to_le_bytes());
    body.extend(b"#HY000");
    body.extend(words.bytes());
    let length = u8::try_from(body.len()).unwrap();
    [vec![length, 0, 0, sequence], body].concat()
}

async fn pass(mut client: TcpStream, number: u64, state: &Arc<State>) -> io::Result<()> {
    if state.is_stranded.load(Ordering::SeqCst) {
        let words = "Can't connect to remote MySQL server for client connected to '0.0.0.0:6446'";
        client.write_all(&error_packet(0, 2003, words)).await?;
        return client.shutdown().await;
    }
    let server = TcpStream::connect(state.server).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let fate = tokio::select! {
        ended = forward(&mut from_client, &mut to_server, number, state, true) => ended?,
        ended = forward(&mut from_server, &mut to_client, number, state, false) => ended?,
    };
    if let Some(Fate::Denied(commit)) = &fate {
        to_server.write_all(commit).await?;
        to_server.shutdown().await?;
        // The server carries it out before it sees the end of the stream.
        tokio::io::copy(&mut from_server, &mut tokio::io::sink()).await?;
        let words = "Lost connection to server during query";
        to_client.write_all(&error_packet(1, 2013, words)).await?;
        state.commit_denied.send_replace(true);
        // Nobody is there to answer what comes next.
        tokio::io::copy(&mut from_client, &mut tokio::io::sink()).await?;
        return Ok(());
    }
    if let Some(Fate::Held(commit)) = fate {
        let (state, mut delivers) = (state.clone(), state.delivers.subscribe());
        state.commit_held.send_replace(true);
        tokio::spawn(async move {
            let _ = delivers.wait_for(|delivers| *delivers).await;
            to_server.write_all(&commit).await?;
            to_server.shutdown().await?;
            // Takes the answer, so that the server gets to its end.
            let taken = tokio::io::copy(&mut from_server, &mut tokio::io::sink()).await;
            state.delivered.send_replace(true);
            taken
        });
    }
    Ok(())
}

/// Returns a commit that is not to be forwarded like anything else.
async fn forward(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    number: u64,
    state: &State,
    is_request: bool,
) -> io::Result<Option<Fate>> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = from.read(&mut buffer).await?;
        until_heard(number, state).await;
        if length == 0 {
            return Ok(None);
        }
        let bytes = &buffer[..length];
        // The driver waits for each answer before it sends the next command, which is the fifth byte of a packet.
        if is_request && bytes[4] != PING {
            state.round_trips.fetch_add(1, Ordering::SeqCst);
        }
        let is_commit = is_request && bytes.ends_with(COMMIT);
        if is_commit {
            state.commits.fetch_add(1, Ordering::SeqCst);
        }
        if is_commit && state.holds_commit.swap(false, Ordering::SeqCst) {
            return Ok(Some(Fate::Held(bytes.to_owned())));
        }
        if is_commit && state.denies_commit.swap(false, Ordering::SeqCst) {
            return Ok(Some(Fate::Denied(bytes.to_owned())));
        }
        if is_commit && state.cuts_at_commit.swap(false, Ordering::SeqCst) {
            // Blocks the answer: it may arrive before the next line is done.
            state.silent.send_replace(u64::MAX);
            to.write_all(bytes).await?;
            // The server reads the data before it sees the end of the stream; only then does the connection end.
            to.shutdown().await?;
            state.commit_lost.send_replace(true);
            return std::future::pending().await;
        }
        to.write_all(bytes).await?;
    }
}

/// Never returns for a silent connection.
async fn until_heard(number: u64, state: &State) {
    let mut silent = state.silent.subscribe();
    let _ = silent.wait_for(|up_to| number > *up_to).await;
}
