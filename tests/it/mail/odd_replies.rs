//! Mail servers whose replies `PHPMailer` reads, though they are not as the RFC would have them.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::outbox::{LAST_STATE, LAST_WORDS, becomes, create, start};
use crate::harness::site::Site;

/// What a server says: its greeting, and its replies to a recipient and to a message.
#[derive(Clone, Copy)]
struct Said {
    greeting: &'static [u8],
    recipient: &'static [u8],
    message: &'static [u8],
}

const USUAL: Said = Said {
    greeting: b"220 odd.example\r\n",
    recipient: b"250 ok\r\n",
    message: b"250 ok\r\n",
};

async fn converse(stream: TcpStream, said: Said) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(said.greeting).await?;
    let (mut line, mut is_message) = (Vec::new(), false);
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let reply = match &line[..] {
            b".\r\n" => {
                is_message = false;
                said.message
            }
            _ if is_message => continue,
            b"DATA\r\n" => {
                is_message = true;
                b"354 go on\r\n"
            }
            line if line.starts_with(b"RCPT") => said.recipient,
            b"QUIT\r\n" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        stream.write_all(reply).await?;
    }
}

/// How a mail ends that goes to such a server, with the words, after how many attempts.
async fn ends_as(said: Said, state: &str) -> (Option<String>, u64) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, said));
        }
    });
    let site = Site::new("71").await;
    let sidecar = start(&site, &url).await;
    create(&sidecar, "odd@example.com").await;
    becomes(&site, LAST_STATE, state).await;
    let attempts = "SELECT attempts FROM wp_fcom_sidecar_mail";
    (site.text(LAST_WORDS).await, site.number(attempts).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_is_not_utf_8_is_one() {
    let recipient = b"550 Empf\xe4nger unbekannt\r\n";
    let (words, attempts) = ends_as(Said { recipient, ..USUAL }, "dead").await;
    assert!(words.unwrap().contains("Empf?nger unbekannt"));
    assert_eq!(attempts, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_is_confirmed_by_a_bare_code_or_behind_another_line_end_is_sent_once() {
    for message in [&b"250\r\n"[..], b"250 ok\n", b"250 \xfcbernommen\r\n"] {
        let greeting = b"220 M\xfcller\r\n";
        let said = Said {
            greeting,
            message,
            ..USUAL
        };
        let (_, attempts) = ends_as(said, "sent").await;
        assert_eq!(attempts, 1, "{message:?}");
    }
}
