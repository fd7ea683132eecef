//! The name in EHLO, on which mail servers insist.

use crate::harness::outbox::{LAST_STATE, PACE, becomes, create, start};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;
use crate::harness::smtp_peer::{Closed, Rules};

const URL: &str = "FCOM_SIDECAR__SMTP__URL";
const HELLO_NAME: &str = "FCOM_SIDECAR__SMTP__HELLO_NAME";

/// Which takes full names only.
fn strict() -> Rules {
    Rules {
        full_names: true,
        ..Rules::default()
    }
}

async fn move_to(site: &Site, address: &str) {
    let options = "option_name IN ('siteurl', 'home')";
    let moved = format!("UPDATE wp_options SET option_value = '{address}' WHERE {options}");
    site.execute(&moved).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_the_sites_host_whatever_the_machine_is_called() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open_with(strict());
    move_to(&site, "https://www.club.example").await;
    let sidecar = start(&site, &url).await;
    create(&sidecar, "hello@example.com").await;
    becomes(&site, LAST_STATE, "sent").await;
    assert_eq!(peer.seen().hellos(), ["www.club.example"]);
    for (address, name) in [
        (
            "http://b\u{fc}cher.example:8080/wp",
            "xn--bcher-kva.example",
        ),
        ("http://192.0.2.7:8080", "[192.0.2.7]"),
        ("http://localhost:8080", "localhost.localdomain"),
    ] {
        move_to(&site, address).await;
        sidecar.run(&["check"]);
        sidecar.run(&["mail", "test", "--to", "operator@example.com"]);
        let seen = peer.seen();
        let hellos = seen.hellos();
        let last = &hellos[hellos.len() - 2..];
        // Without a host for the sender's address, there is no test mail.
        let tested = last.iter().filter(|hello| **hello == name).count();
        assert!(tested > 0, "{address}: {hellos:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_says_another() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let peer = closed.open_with(strict());
    let mut environment = PACE.to_vec();
    environment.extend([(URL, url.as_str()), (HELLO_NAME, "Relay.Club.example")]);
    let sidecar = Sidecar::start_with(&site, &environment).await;
    create(&sidecar, "hello@example.com").await;
    becomes(&site, LAST_STATE, "sent").await;
    assert_eq!(peer.seen().hellos(), ["relay.club.example"]);

    // A name that the server refuses comes back with a remedy.
    let short = [(URL, url.as_str()), (HELLO_NAME, "relay")];
    let sidecar = Sidecar::unstarted(&site, &short).await;
    sidecar.run(&["check"]);
    sidecar.run(&["mail", "test", "--to", "operator@example.com"]);
    let told = sidecar.log();
    assert_eq!(told.matches("set smtp.hello_name to").count(), 2, "{told}");

    let mut wrong = Sidecar::unstarted(&site, &[(HELLO_NAME, "my relay")]).await;
    wrong.spawn();
    assert_eq!(wrong.ends().await.code(), Some(78));
    let told = wrong.log();
    assert!(
        told.contains("smtp.hello_name") && told.contains("full host name"),
        "{told}"
    );
}
