//! What an open page costs the database while nothing happens. When pages ask is tested in a browser.

use std::sync::Arc;
use std::time::Duration;

use fcom_sidecar::sample::server::PrivateServer;
use sqlx::{ConnectOptions, Row};

use super::browser::Browser;
use crate::harness::eventually::{eventually, time_passes};
use crate::harness::management::start;
use crate::harness::site::{Site, server_options};

/// The pages that ask by themselves for what has changed.
const LIVE: [&str; 4] = ["", "runs", "mails", "hooks"];
/// The age up to which an answer is for others, too.
const FRESH: Duration = Duration::from_secs(4);
/// The newest run, which two pages show, the mails, and the hooks.
const NEWS: u64 = 3;

/// The daemon's other work also asks the database, many times a second: what counts is the least that was asked meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_pages_cost_one_statement_each_in_four_seconds() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server, "71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    for page in LIVE {
        assert_eq!(browser.get(&format!("/console/{page}")).await, 200);
    }
    browser.headers.push(("HX-Request", "true"));
    // A dedicated connection, because a pool's pings count as statements on MySQL.
    let mut connection = site.server.connect_options(None).connect().await.unwrap();
    let mut asked = async || {
        let asked = sqlx::raw_sql("SHOW GLOBAL STATUS LIKE 'Queries'");
        let asked = asked.fetch_one(&mut connection).await.unwrap();
        asked.get_unchecked::<String, _>(1).parse::<u64>().unwrap()
    };
    let mut cost_of_polls = async || {
        let before = asked().await;
        for page in LIVE {
            assert_eq!(browser.get(&format!("/console/{page}")).await, 200);
        }
        // But for the question itself.
        asked().await - before - 1
    };
    eventually(async || {
        time_passes(FRESH).await;
        let (first, of_others) = (cost_of_polls().await, cost_of_polls().await);
        let is_least = first <= NEWS && of_others == 0;
        is_least
            .then_some(())
            .ok_or(format!("{first} statements, then {of_others}"))
    })
    .await;
}
