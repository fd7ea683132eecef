//! Addresses that WordPress mails, compared with what the `PHPMailer` of Debian's WordPress says to the server.

use std::collections::BTreeMap;

use serde_json::json;

use crate::harness::outbox::{STATES, becomes, create, header, start};
use crate::harness::programs::file;
use crate::harness::site::Site;
use crate::harness::smtp_peer::{Closed, SmtpPeer};
use crate::wordpress::php;

/// By recipient: name in EHLO, sender and recipient as commands, and the header fields with addresses.
fn seen(peer: &SmtpPeer) -> BTreeMap<String, [String; 5]> {
    let seen = peer.seen();
    let hello = seen.hellos()[0];
    let mails = seen.mails.iter().zip(&seen.envelopes);
    mails
        .map(|(mail, [sender, recipient])| {
            let [from, to] = ["From", "To"].map(|name| header(&mail.message, name));
            let all = [hello, sender, recipient, from, to].map(str::to_owned);
            (mail.to[0].clone(), all)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_wordpress_takes_for_an_address_is_mailed_as_phpmailer_does() {
    let to = [
        "a..b@x.co",
        ".ab@x.co",
        "ab.@x.co",
        "...@x.co",
        &format!("{}@x.co", "l".repeat(65)),
        &format!("{}@x.co", "l".repeat(90)),
        &format!("joe@{}.example", "d".repeat(64)),
        "a!#$%*+/=?^_`{|}~-b@x.co",
        "Joe.Doe@Example.COM",
        "joe@127.0.0.1",
        "joe@example.123",
        "joe@xn--bcher-kva.example",
    ];
    let (site, closed, other) = (Site::new("71").await, Closed::new(), Closed::new());
    let moved = "UPDATE wp_options SET option_value = 'https://www.club.example' WHERE option_name IN ('siteurl', 'home')";
    site.execute(moved).await;
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open();
    let sidecar = start(&site, &url).await;
    for email in to {
        create(&sidecar, email).await;
    }
    becomes(&site, STATES, "sent").await;

    let port: u16 = other.address().rsplit(':').next().unwrap().parse().unwrap();
    let original = other.open();
    let core = file("/usr/share/wordpress/wp-load.php");
    let input = json!({
        "core": core.parent(),
        "port": port,
        "host": "www.club.example",
        "from": "wordpress@club.example",
        "to": to,
    });
    let folder = tempfile::tempdir().unwrap();
    let refused =
        tokio::task::spawn_blocking(move || php::run("phpmailer", folder.path(), "", &input));
    assert_eq!(refused.await.unwrap(), json!({}));
    let (ours, theirs) = (seen(&peer), seen(&original));
    assert_eq!(theirs.len(), to.len());
    assert_eq!(ours, theirs);
}
