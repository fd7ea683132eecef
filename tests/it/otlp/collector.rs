//! A collector on a real port, which receives spans over HTTP and can be down, slow or failing.

use std::io;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::harness::eventually::eventually;

/// How it responds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    /// Answers with this status and discards the spans.
    Ill(u16),
    /// Reads, and never answers.
    Silent,
}

struct State {
    mood: Mood,
    /// Heads and bodies of accepted requests.
    taken: Vec<(String, Vec<u8>)>,
    /// Requests so far, accepted or not.
    requests: usize,
}

/// The collector; it ends with the test's runtime.
#[derive(Clone)]
pub(super) struct Collector(Arc<Mutex<State>>);

/// A port that is reserved, but not listening yet.
pub(super) struct Closed(TcpSocket);

impl Closed {
    pub(super) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    pub(super) fn open(self, mood: Mood) -> Collector {
        let collector = Collector(Arc::new(Mutex::new(State {
            mood,
            taken: Vec::new(),
            requests: 0,
        })));
        let listener = self.0.listen(64).unwrap();
        tokio::spawn(collector.clone().serve(listener));
        collector
    }
}

impl Collector {
    pub(super) fn set_mood(&self, mood: Mood) {
        self.0.lock().unwrap().mood = mood;
    }

    pub(super) fn requests(&self) -> usize {
        self.0.lock().unwrap().requests
    }

    async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().answer(stream));
        }
    }

    async fn answer(self, stream: TcpStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while stream.read_line(&mut head).await? > 2 {}
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.parse().unwrap())
        });
        let mut body = vec![0; length.unwrap()];
        stream.read_exact(&mut body).await?;
        let mood = {
            let mut state = self.0.lock().unwrap();
            state.requests += 1;
            if state.mood == Mood::Well {
                state.taken.push((head, body));
            }
            state.mood
        };
        let status = match mood {
            Mood::Well => 200,
            Mood::Ill(status) => status,
            Mood::Silent => std::future::pending().await,
        };
        let answer =
            format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await
    }

    /// Heads and decoded bodies.
    pub(super) fn taken(&self) -> Vec<(String, ExportTraceServiceRequest)> {
        let taken = self.0.lock().unwrap().taken.clone();
        let decode = |body: Vec<u8>| ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        taken
            .into_iter()
            .map(|(head, body)| (head, decode(body)))
            .collect()
    }

    /// Everything that was received, as text.
    pub(super) fn text(&self) -> String {
        let taken = self.0.lock().unwrap().taken.clone();
        let texts = taken
            .iter()
            .map(|(_, body)| String::from_utf8_lossy(body).into_owned());
        texts.collect()
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        let requests = self.taken().into_iter().map(|(_, request)| request);
        let resources = requests.flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// Waits until spans with these names exist, and returns all spans.
    pub(super) async fn wait_for(&self, names: &[&str]) -> Vec<Span> {
        eventually(async || {
            let spans = self.spans();
            let has = |name: &&str| spans.iter().any(|span| span.name == **name);
            if names.iter().all(has) {
                return Ok(spans);
            }
            let seen: Vec<_> = spans.iter().map(|span| &span.name).collect();
            Err(format!("{names:?} in {seen:?}"))
        })
        .await
    }
}

/// The only span with this name.
pub(super) fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found
        .next()
        .unwrap_or_else(|| panic!("no span {name} in {spans:#?}"));
    assert!(found.next().is_none(), "two spans {name}");
    span
}

/// An attribute as text.
pub(super) fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match &found.value {
        Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }) => Some(text.clone()),
        Some(AnyValue {
            value: Some(Value::IntValue(number)),
        }) => Some(number.to_string()),
        other => panic!("{key} is {other:?}"),
    }
}
