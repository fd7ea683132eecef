//! The load of a call on the database: round trips and statements. The database is usually on another machine, where
//! round trips dominate the cost of a call.

use std::sync::Arc;

use fcom_sidecar::sample::server::PrivateServer;
use sqlx::{ConnectOptions, Row};

use crate::harness::eventually::eventually;
use crate::harness::proxy::Proxy;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK, Site, server_options};
use crate::harness::tables::make_network;

/// Calls of one kind; the minimum of their costs is the call's own, the rest is the daemon's background work.
const CALLS: u64 = 12;

struct Cost {
    round_trips: u64,
    statements: u64,
    /// Temporary tables on disk: they cost more than everything else that a statement does.
    disk_tables: u64,
}

async fn cost(
    site: &Site,
    proxy: &Proxy,
    sidecar: &Sidecar,
    hook: &str,
    email: impl Fn(u64) -> String,
) -> Cost {
    // A dedicated connection, because a pool's pings count as statements on MySQL.
    let mut connection = site.server.connect_options(None).connect().await.unwrap();
    let mut counters = async || {
        let status =
            "SHOW GLOBAL STATUS WHERE Variable_name IN ('Created_tmp_disk_tables', 'Queries')";
        let status = sqlx::raw_sql(status).fetch_all(&mut connection).await;
        let counters = status.unwrap().into_iter().map(|row| {
            let value: String = row.try_get_unchecked(1).unwrap();
            value.parse::<u64>().unwrap()
        });
        <[u64; 2]>::try_from(counters.collect::<Vec<_>>()).unwrap()
    };
    let mut least = Cost {
        round_trips: u64::MAX,
        statements: u64::MAX,
        disk_tables: u64::MAX,
    };
    for n in 0..CALLS {
        let (trips, [tables, asked]) = (proxy.round_trips(), counters().await);
        let email = email(n);
        sidecar.client.execute(hook, &[("email", &email)]).await;
        let [tables_after, asked_after] = counters().await;
        least.round_trips = least.round_trips.min(proxy.round_trips() - trips);
        least.statements = least.statements.min(asked_after - asked);
        least.disk_tables = least.disk_tables.min(tables_after - tables);
    }
    least
}

/// Everything counts: the call's transaction with its begin and commit. Nobody else calls, so a call counts its own run, and a
/// new user's the users.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_asks_the_database_no_more_than_it_must() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server, "71").await;
    assert_costs(&site, &[], 0).await;
}

/// One more statement, to check whether a user is a member of the site, but no more round trips.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_of_a_network_waits_for_the_database_no_longer() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server, "71").await;
    make_network(&site).await;
    assert_costs(&site, &[("FCOM_SIDECAR__WORDPRESS__BLOG_ID", "1")], 3).await;
}

async fn assert_costs(site: &Site, more: &[(&str, &str)], more_statements: u64) {
    let proxy = Proxy::start(site).await;
    let url = proxy.url(site);
    let mut environment = vec![
        ("FCOM_SIDECAR__DATABASE__URL", url.as_str()),
        // The senders poll the database on their own; keep them quiet.
        ("FCOM_SIDECAR__MAIL__MAILS_PER_SECOND", "1"),
    ];
    environment.extend(more);
    let sidecar = Sidecar::start_with(site, &environment).await;
    let known = |_: u64| "existing@example.com".to_owned();
    for (what, hook, is_new, round_trips, statements) in [
        ("a known user", PLAIN_HOOK, false, 3, 7),
        ("a known member", MEMBERS_HOOK, false, 3, 8),
        ("a new user without a mail", SPACES_HOOK, true, 4, 16),
        ("a new member with a mail", MEMBERS_HOOK, true, 4, 17),
        ("a new user with a mail", PLAIN_HOOK, true, 4, 15),
    ] {
        let mut calls = 0;
        // The ids of new users are looked at one by one until the daemon has looked ahead.
        eventually(async || {
            calls += CALLS;
            let new = |n: u64| format!("{}{}@example.com", what.replace(' ', ""), calls + n);
            let cost = if is_new {
                cost(site, &proxy, &sidecar, hook, new).await
            } else {
                cost(site, &proxy, &sidecar, hook, known).await
            };
            let is_enough = cost.round_trips <= round_trips
                && cost.statements <= statements + more_statements
                && cost.disk_tables == 0;
            is_enough.then_some(()).ok_or_else(|| {
                let (trips, statements) = (cost.round_trips, cost.statements);
                let tables = cost.disk_tables;
                format!(
                    "{what}: {trips} round trips, {statements} statements, {tables} tables on disk"
                )
            })
        })
        .await;
    }
}
