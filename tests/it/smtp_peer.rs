//! A mail server on a real port that plays a script before it takes mail like any other.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// One thing that goes wrong; each is played once, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Play {
    /// Answers the connection with 421 and closes it.
    Busy,
    /// Says nothing to EHLO, or on an open connection to the next mail.
    Stall,
    /// Answers the recipient with this line.
    Recipient(&'static str),
    /// Takes the message and closes the connection before saying so.
    DropAfterData,
}

#[derive(Default)]
struct State {
    script: VecDeque<Play>,
    messages: Vec<String>,
}

/// The server; it ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct SmtpPeer(Arc<Mutex<State>>);

/// A port that is taken, so that nobody else gets it, but where nobody listens yet.
pub(crate) struct Closed(TcpSocket);

impl Closed {
    /// Takes a port.
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// Listens from now on.
    pub(crate) fn open(self) -> SmtpPeer {
        let listener = self.0.listen(64).unwrap();
        let opened = SmtpPeer(Arc::default());
        let peer = opened.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let peer = peer.clone();
                tokio::spawn(async move { peer.serve(stream).await });
            }
        });
        opened
    }
}

impl SmtpPeer {
    /// Adds to the script.
    pub(crate) fn play(&self, plays: &[Play]) {
        self.0.lock().unwrap().script.extend(plays);
    }

    /// Every message that was taken, headers and body, in order.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.0.lock().unwrap().messages.clone()
    }

    /// The next play, if it is one of these.
    fn next(&self, wanted: impl Fn(Play) -> bool) -> Option<Play> {
        let mut state = self.0.lock().unwrap();
        let first = *state.script.front()?;
        if wanted(first) {
            state.script.pop_front()
        } else {
            None
        }
    }

    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        if self.next(|play| play == Play::Busy).is_some() {
            return stream.write_all(b"421 4.3.2 too busy for you\r\n").await;
        }
        stream.write_all(b"220 peer.invalid\r\n").await?;
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let mut answer = "250 fine\r\n".to_owned();
            match verb.as_str() {
                "EHLO" | "MAIL" if self.next(|play| play == Play::Stall).is_some() => {
                    // Until the client gives up.
                    let mut rest = Vec::new();
                    stream.read_to_end(&mut rest).await?;
                    return Ok(());
                }
                "RCPT" => {
                    let play = self.next(|play| matches!(play, Play::Recipient(_)));
                    if let Some(Play::Recipient(line)) = play {
                        answer = format!("{line}\r\n");
                    }
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let message = message(&mut stream).await?;
                    self.0.lock().unwrap().messages.push(message);
                    if self.next(|play| play == Play::DropAfterData).is_some() {
                        return Ok(());
                    }
                }
                "QUIT" => return stream.write_all(b"221 bye\r\n").await,
                _ => {}
            }
            stream.write_all(answer.as_bytes()).await?;
            line.clear();
        }
        Ok(())
    }
}

async fn message(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let (mut message, mut line) = (String::new(), String::new());
    while stream.read_line(&mut line).await? > 0 && line != ".\r\n" {
        message.push_str(&line);
        line.clear();
    }
    Ok(message)
}
