//! A dump is restored under the running daemon: one table after the other is dropped, made and filled again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fcom_sidecar::sample::server::PrivateServer;

use crate::harness::agreement;
use crate::harness::eventually::{time_passes, until};
use crate::harness::outbox::{LAST_STATE, LAST_WORDS, becomes, header};
use crate::harness::router::Router;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{KNOWN_USER, PLAIN_HOOK, SPACES_HOOK, Site, server_options};
use crate::harness::smtp_peer::Closed;

/// Longer than a busy machine takes between two tables.
const PAUSE: (&str, &str) = ("FCOM_SIDECAR__DATABASE__RESTORE_PAUSE_SECONDS", "12");
const NOTICED: &str = "a dump is being restored";

/// A copy of every table.
struct Dump {
    database: String,
    tables: Vec<String>,
}

impl Dump {
    async fn of(site: &Site) -> Self {
        let database = format!("{}_dump", site.database);
        site.server.create_database(&database).await.unwrap();
        let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1";
        let tables = site.column(tables).await;
        for table in &tables {
            let copy = format!("{database}.{table}");
            site.execute(&format!(
                "CREATE TABLE {copy} LIKE {table}; INSERT INTO {copy} SELECT * FROM {table}"
            ))
            .await;
        }
        Self { database, tables }
    }

    async fn restore(&self, site: &Site, table: &str) {
        let copy = format!("{}.{table}", self.database);
        site.execute(&format!(
            "DROP TABLE IF EXISTS {table}; CREATE TABLE {table} LIKE {copy}; INSERT INTO {table} SELECT * FROM {copy}"
        ))
        .await;
    }
}

/// One call and its answer.
struct Call {
    email: String,
    status: u16,
}

/// Calls with a new address each until told to stop, members of spaces and members with a mail in turns.
async fn call_until(sidecar: &Sidecar, stop: &AtomicBool) -> Vec<Call> {
    let mut calls = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let n = calls.len();
        let email = format!("during{n}@example.com");
        let hook = if n % 2 == 0 { SPACES_HOOK } else { PLAIN_HOOK };
        let response = sidecar.client.call(hook, &[("email", &email)]).await;
        let status = response.status;
        calls.push(Call { email, status });
        time_passes(Duration::from_millis(30)).await;
    }
    calls
}

async fn addresses(site: &Site) -> BTreeSet<String> {
    let all = "SELECT user_email FROM wp_users";
    site.column(all).await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_and_mails_wait_until_the_tables_are_whole_again() {
    let peer = Closed::new();
    let url = format!("smtp://{}", peer.address());
    let peer = peer.open();
    let site = Site::new("71").await;
    let sidecar = Sidecar::start_with(&site, &[PAUSE, ("FCOM_SIDECAR__SMTP__URL", &url)]).await;
    for n in 0..3 {
        let email = format!("kept{n}@example.com");
        sidecar
            .client
            .execute(SPACES_HOOK, &[("email", &email)])
            .await;
    }
    let dump = Dump::of(&site).await;
    let mut before = BTreeSet::new();
    for n in 0..20 {
        let email = format!("later{n}@example.com");
        sidecar
            .client
            .execute(SPACES_HOOK, &[("email", &email)])
            .await;
        before.insert(email);
    }

    let stop = AtomicBool::new(false);
    let restore = async {
        time_passes(Duration::from_millis(300)).await;
        for table in &dump.tables {
            dump.restore(&site, table).await;
            time_passes(Duration::from_millis(700)).await;
        }
        let up = agreement::readiness(&sidecar).await;
        assert_eq!(up.0, 503, "{}", up.1);
        sidecar.client.readiness_becomes(200).await;
        time_passes(Duration::from_secs(1)).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (calls, ()) = tokio::join!(call_until(&sidecar, &stop), restore);

    let there = addresses(&site).await;
    let refused = calls.iter().position(|call| call.status == 503).unwrap();
    let last_refused = calls.iter().rposition(|call| call.status == 503).unwrap();
    // Once it is noticed, no call is executed until it is over, and then every one is.
    for call in &calls[refused..=last_refused] {
        assert_eq!(call.status, 503, "{}: {}", call.email, sidecar.log());
    }
    for call in &calls[last_refused + 1..] {
        assert_eq!(call.status, 200, "{}", call.email);
        assert!(there.contains(&call.email), "{} is gone", call.email);
    }
    let gone: Vec<&Call> = calls[..refused]
        .iter()
        .filter(|call| !there.contains(&call.email))
        .collect();
    // Most of the restore is still to come when it is noticed.
    assert!(gone.len() < 150, "{} of {refused}", gone.len());
    // No mail went to somebody who does not exist, apart from those of before.
    let early: BTreeSet<&str> = calls[..refused]
        .iter()
        .map(|call| call.email.as_str())
        .collect();
    for message in peer.messages() {
        let to = header(&message, "To");
        assert!(there.contains(to) || early.contains(to), "{to}");
    }
    // Nobody inherited anything.
    let members = "SELECT u.ID, u.user_email, (SELECT GROUP_CONCAT(m.space_id ORDER BY m.space_id) FROM wp_fcom_space_user m \
        WHERE m.user_id = CONCAT(u.ID)) FROM wp_users u WHERE u.user_email LIKE 'during%'";
    for row in site.rows(members).await {
        let number: usize = row[1].as_deref().unwrap()["during".len()..]
            .split('@')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let spaces = number.is_multiple_of(2).then_some("1,2,4");
        assert_eq!(row[2].as_deref(), spaces, "{row:?}");
    }
    let log = sidecar.log();
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("not ready: "))
        .collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains(NOTICED), "{told:#?}");
    assert!(log.contains("ready again"), "{log}");
}

#[tokio::test]
async fn everything_that_tells_the_state_says_that_a_dump_is_being_restored() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start_with(&site, &[PAUSE]).await;
    sidecar
        .client
        .execute(SPACES_HOOK, &[("email", "ann@example.com")])
        .await;
    let dump = Dump::of(&site).await;
    let stop = AtomicBool::new(false);
    let restoring = async {
        while !stop.load(Ordering::Relaxed) {
            dump.restore(&site, "wp_usermeta").await;
            time_passes(Duration::from_secs(1)).await;
        }
    };
    let agreeing = async {
        agreement::not_ready(&sidecar, NOTICED, None).await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(restoring, agreeing);
    agreement::ready_again(&sidecar, 1).await;
}

/// Its rows may be in tables that have been replaced since.
#[tokio::test]
async fn a_call_that_ends_while_a_dump_is_restored_is_not_called_executed() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start_with(&site, &[PAUSE]).await;
    let dump = Dump::of(&site).await;
    let blocker = site.lock(KNOWN_USER).await;
    let client = sidecar.client.clone();
    let known = [("email", "existing@example.com")];
    let call = tokio::spawn(async move { client.call(PLAIN_HOOK, &known).await });
    site.a_call_waits().await;
    // A table that this call does not use, again and again: the state lasts until the call has ended.
    let ending = async {
        sidecar.says(NOTICED).await;
        blocker.rollback().await.unwrap();
        call.await.unwrap()
    };
    let restoring = async {
        loop {
            dump.restore(&site, "wp_fcom_posts").await;
            time_passes(Duration::from_secs(1)).await;
        }
    };
    let response = tokio::select! {
        response = ending => response,
        () = restoring => unreachable!(),
    };
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(
        response.text().contains("Nobody can say"),
        "{}",
        response.text()
    );
    sidecar.says("ended while a dump was being restored").await;
    sidecar.client.readiness_becomes(200).await;
}

#[tokio::test]
async fn own_tables_that_go_missing_are_made_again_while_the_daemon_runs() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start_with(&site, &[PAUSE]).await;
    // Tables that were made again count as restored ones for a while.
    let call = async |email| {
        let call = async || sidecar.client.call(SPACES_HOOK, &[("email", email)]).await;
        until("calls are refused", async || call().await.status == 200).await;
    };
    call("ann@example.com").await;
    site.execute("DROP TABLE wp_fcom_sidecar_claims, wp_fcom_sidecar_old_keys")
        .await;
    sidecar
        .says("made what was missing: wp_fcom_sidecar_claims is missing")
        .await;
    sidecar.client.readiness_becomes(200).await;
    call("bob@example.com").await;
    // Without a table that is gone.
    site.execute("ALTER TABLE wp_fcom_sidecar_runs DROP COLUMN changes")
        .await;
    sidecar
        .says("made what was missing: wp_fcom_sidecar_runs lacks the column changes")
        .await;
    sidecar.client.readiness_becomes(200).await;
    call("eve@example.com").await;
}

/// A dump that is being restored makes a table itself, right after it has dropped it, and would stumble over another one.
#[tokio::test]
async fn an_own_table_that_goes_missing_is_left_to_a_dump_for_a_moment() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    for table in ["wp_fcom_sidecar_mail", "wp_fcom_sidecar_runs"] {
        let dropped = Instant::now();
        site.execute(&format!("DROP TABLE {table}")).await;
        let fields = [("email", "ann@example.com")];
        // The call notices it.
        sidecar.client.call(SPACES_HOOK, &fields).await;
        let select = format!("SELECT 1 FROM {table}");
        let is_there = async || site.try_execute(&select).await.is_ok();
        until("the table is not made again", is_there).await;
        assert!(dropped.elapsed() >= Duration::from_secs(2), "{table}");
        sidecar.client.readiness_becomes(200).await;
    }
}

/// MariaDB tells of each table since when its server has had the file. A dump that is restored there is noticed as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_to_another_server_is_not_taken_for_a_restored_dump() {
    let first = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let before = Site::on(first.clone(), "71").await;
    let router = Router::to(&before).await;
    let url = router.url(&before);
    let environment = [PAUSE, ("FCOM_SIDECAR__DATABASE__URL", &url)];
    let sidecar = Sidecar::start_with(&before, &environment).await;
    let call = async |email| {
        sidecar
            .client
            .execute(SPACES_HOOK, &[("email", email)])
            .await
    };
    call("ann@example.com").await;

    first.stop();
    let second = Arc::new(first.copy(server_options()).unwrap());
    second.restart().await.unwrap();
    let after = before.at(second);
    router.lead_to(&after);
    until("the other server is not used", async || {
        let (status, told) = agreement::readiness(&sidecar).await;
        assert!(!told.to_string().contains(NOTICED), "{told}");
        status == 200
    })
    .await;
    let restored = "wp_fcom_posts was made anew";
    let dump = Dump::of(&after).await;
    let restoring = async {
        loop {
            dump.restore(&after, "wp_fcom_posts").await;
            time_passes(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = sidecar.says(restored) => {}
        () = restoring => unreachable!(),
    }
    let log = sidecar.log();
    assert_eq!(log.matches(NOTICED).count(), 1, "{log}");
    sidecar.client.readiness_becomes(200).await;
    call("bob@example.com").await;
}

/// The records of the last calls are gone, although every table is the one that was there.
#[tokio::test]
async fn rows_that_are_replaced_without_their_tables_are_noticed_too() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start_with(&site, &[PAUSE]).await;
    for email in ["ann@example.com", "bob@example.com"] {
        sidecar
            .client
            .execute(SPACES_HOOK, &[("email", email)])
            .await;
    }
    site.execute("DELETE FROM wp_fcom_sidecar_runs WHERE id > 1")
        .await;
    sidecar.says("the records of the last calls are gone").await;
    sidecar.client.readiness_becomes(200).await;
    sidecar
        .client
        .execute(SPACES_HOOK, &[("email", "eve@example.com")])
        .await;
}

#[tokio::test]
async fn a_mail_is_not_sent_to_somebody_who_has_the_id_by_now() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::start_with(&site, &[PAUSE]).await;
    let id = sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "ann@example.com")])
        .await;
    becomes(&site, LAST_STATE, "pending").await;
    sidecar.kill();
    site.execute(&format!(
        "UPDATE wp_users SET user_login = 'bob', user_email = 'bob@example.com', \
         user_registered = user_registered + INTERVAL 1 MINUTE WHERE ID = {id}; \
         UPDATE wp_fcom_sidecar_mail SET next_attempt_at = UTC_TIMESTAMP() - INTERVAL 1 MINUTE"
    ))
    .await;
    let peer = Closed::new();
    sidecar.set_mail_server(&format!("smtp://{}", peer.address()));
    let peer = peer.open();
    sidecar.restart().await;
    becomes(&site, LAST_STATE, "skipped").await;
    let words = site.text(LAST_WORDS).await.unwrap();
    assert!(words.contains("another person"), "{words}");
    assert!(peer.messages().is_empty());
}
