//! The bytes of a mail: whatever the site's options, names, templates and translations hold, it has whole lines and ends
//! where it should. Of servers in a row, one may take LF . CR LF for the end of a mail, and what follows for the next one.

use mailparse::parse_mail;

use crate::harness::outbox::{PACE, STATES, becomes, create};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;
use crate::harness::smtp_peer::Closed;

/// Ends of a mail, with another one behind them.
const ENDS: [&str; 6] = [
    "\n.\r\n",
    "\r\n.\r\n",
    "\n.\n",
    "\r.\r",
    "\r.\r\n",
    "\n\0.\r\n",
];

fn smuggled(end: &str) -> String {
    format!(
        "Shop{end}MAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.net>\r\nDATA\r\nSubject: x\r\n\r\nx{end}"
    )
}

/// A MySQL literal for any text.
fn literal(text: &str) -> String {
    format!("_utf8mb4 0x{}", hex::encode(text))
}

#[track_caller]
fn assert_whole_lines(message: &str, context: &str) {
    let bytes = message.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let (before, after) = (at.checked_sub(1).map(|at| bytes[at]), bytes.get(at + 1));
        assert!(
            byte != b'\n' || before == Some(b'\r'),
            "{context}: LF alone in {message:?}"
        );
        assert!(
            byte != b'\r' || after == Some(&b'\n'),
            "{context}: CR alone in {message:?}"
        );
        assert_ne!(byte, 0, "{context}: {message:?}");
    }
    let longest = message.split("\r\n").map(str::len).max();
    assert!(
        longest <= Some(998),
        "{context}: a line of {longest:?} bytes"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_has_whole_lines_and_is_one() {
    for with_templates in [false, true] {
        let (site, closed) = (Site::new("71").await, Closed::new());
        let url = format!("smtp://{}", closed.address());
        let peer = closed.open();
        let templates = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(templates.path().join(name), text).unwrap();
        };
        write("welcome.subject.txt", "{{ site_name }} {{ display_name }}");
        write(
            "welcome.body.txt",
            "{{ site_name }}\r{{ display_name }}\n.\r\n{{ set_password_url }}\n",
        );
        let folder = templates.path().display().to_string();
        let mut environment = PACE.to_vec();
        environment.push(("FCOM_SIDECAR__SMTP__URL", &url));
        if with_templates {
            environment.push(("FCOM_SIDECAR__MAIL__TEMPLATES", &folder));
        }
        let sidecar = Sidecar::start_with(&site, &environment).await;
        let long = "x".repeat(3_000);
        let texts = ENDS.map(smuggled).into_iter();
        for (number, text) in texts.chain([format!("{long}\r\n.\n{long}")]).enumerate() {
            let shop = literal(&text);
            let address = literal(&format!("http://shop.example/{text}"));
            site.execute(&format!(
                "UPDATE wp_options SET option_value = {shop} WHERE option_name = 'blogname'; \
                 UPDATE wp_options SET option_value = {address} WHERE option_name = 'siteurl'"
            ))
            .await;
            let email = format!("member{number}@example.com");
            create(&sidecar, &email).await;
            becomes(&site, STATES, "sent").await;
            let mails = peer.seen().mails;
            let context = format!("templates: {with_templates}, {text:?}");
            assert_eq!(mails.len(), number + 1, "{context}: {:?}", mails.last());
            let mail = &mails[number];
            assert_eq!(mail.to, [email], "{context}");
            assert_whole_lines(&mail.message, &context);
            let parsed = parse_mail(mail.message.as_bytes()).unwrap();
            let subject = parsed.headers.iter().find(|one| one.get_key() == "Subject");
            let subject = subject.unwrap().get_value();
            assert!(
                !subject.contains(['\r', '\n', '\0']),
                "{context}: {subject:?}"
            );
            let body = parsed.get_body().unwrap();
            assert!(body.contains("action=rp"), "{context}: {body}");
        }
        // The command's mail goes the same way.
        let (succeeded, _, errors) = sidecar.output(&["mail", "test", "--to", "a@example.com"]);
        assert!(succeeded, "{errors}");
        assert_whole_lines(peer.messages().last().unwrap(), "mail test");
    }
}
