//! Rows of members who are gone have ids that the users table gives out again, as after a restored dump. A new member
//! inherits nothing of them.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::harness::check_report::PASSWORD;
use crate::harness::eventually::until;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, Site};
use crate::harness::tables::numbers;

/// The first id that the fixture's users table gives out.
const NEXT: u64 = 13;

/// Statements that leave a row of the user `{id}` in one table, `{rows}` being a table with that column.
const TABLES: [(&str, &str); 7] = [
    (
        "wp_usermeta",
        "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) \
         SELECT id, 'wp_capabilities', 'a:1:{s:13:\"administrator\";b:1;}' FROM {rows}",
    ),
    (
        "wp_fcom_xprofile",
        "INSERT INTO wp_fcom_xprofile (user_id, username) SELECT id, CONCAT('gone', id) FROM {rows}",
    ),
    (
        "wp_fcom_space_user",
        "INSERT INTO wp_fcom_space_user (space_id, user_id, role) SELECT 5, id, 'admin' FROM {rows}",
    ),
    (
        "wp_fcom_meta",
        "INSERT INTO wp_fcom_meta (object_type, object_id, meta_key, value) \
         SELECT 'user', id, '_user_community_roles', 'a:1:{i:0;s:9:\"moderator\";}' FROM {rows}",
    ),
    (
        "wp_fcom_sidecar_runs",
        "INSERT INTO wp_fcom_sidecar_runs (call_id, webhook_id, user_id, outcome, duration_ms, created_at, tallied) \
         SELECT UNHEX(LEFT(SHA2(id, 224), 32)), 3, id, 'created', 1, UTC_TIMESTAMP(), 1 FROM {rows}",
    ),
    (
        "wp_fcom_sidecar_mail",
        "INSERT INTO wp_fcom_sidecar_mail (user_id, webhook_id, state, next_attempt_at, tried_since, created_at) \
         SELECT id, 3, 'dead', UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP() FROM {rows}",
    ),
    (
        "wp_fcom_sidecar_events",
        "INSERT INTO wp_fcom_sidecar_events (user_id, kind, due_at, created_at) \
         SELECT id, 'user_register', UTC_TIMESTAMP(), UTC_TIMESTAMP() FROM {rows}",
    ),
];

/// Leaves rows of this many users in a row, from this id on.
async fn leave(site: &Site, statement: &str, first: u64, count: u32) {
    // More numbers than one table of them has.
    const MOST: u32 = 10_000;
    for beginning in (0..count).step_by(MOST as usize) {
        let numbers = numbers(MOST.min(count - beginning));
        let before = first + u64::from(beginning) - 1;
        let rows = format!("(SELECT {before} + seq AS id FROM {numbers}) some");
        site.execute(&statement.replace("{rows}", &rows)).await;
    }
}

async fn spaces_of(site: &Site, id: u64) -> Vec<String> {
    let sql = format!("SELECT space_id FROM wp_fcom_space_user WHERE user_id = '{id}' ORDER BY 1");
    site.column(&sql).await
}

/// Everything that is written for a new member by the plain webhook, and nothing more.
async fn assert_inherits_nothing(site: &Site, id: u64) {
    for (rows, count) in [
        (format!("wp_fcom_xprofile WHERE user_id = {id}"), 1),
        (format!("wp_usermeta WHERE user_id = {id}"), 14),
        (format!("wp_fcom_sidecar_runs WHERE user_id = {id}"), 1),
        (
            format!("wp_fcom_meta WHERE object_type = 'user' AND object_id = {id}"),
            0,
        ),
    ] {
        let sql = format!("SELECT COUNT(*) FROM {rows}");
        assert_eq!(site.number(&sql).await, count, "{rows}");
    }
    assert_eq!(spaces_of(site, id).await, [""; 0]);
}

/// No row of the users table is left behind for an id that was skipped.
async fn assert_nobody_has(site: &Site, from: u64, to: u64) {
    let sql = format!("SELECT COUNT(*) FROM wp_users WHERE ID BETWEEN {from} AND {to}");
    assert_eq!(site.number(&sql).await, 0);
}

/// A migrated site whose daemon is not running yet.
async fn site_and_sidecar() -> (Site, Sidecar) {
    let site = Site::new("71").await;
    let sidecar = Sidecar::unstarted(&site, &[("FCOM_SIDECAR__MAIL__TRANSPORT", "off")]).await;
    assert!(sidecar.run(&["migrate"]).success());
    (site, sidecar)
}

async fn assert_skipped(count: u32) {
    for (table, statement) in TABLES {
        let (site, mut sidecar) = site_and_sidecar().await;
        leave(&site, statement, NEXT, count).await;
        sidecar.spawn();
        assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
        let last = NEXT + u64::from(count) - 1;
        for n in 1..=2 {
            let email = format!("new{n}@example.com");
            let id = sidecar
                .client
                .execute(PLAIN_HOOK, &[("email", &email)])
                .await;
            assert_eq!(id, last + n, "{table}: {}", sidecar.log());
            assert_inherits_nothing(&site, id).await;
        }
        assert_nobody_has(&site, NEXT, last).await;
        let left = format!("SELECT COUNT(*) FROM {table} WHERE user_id BETWEEN {NEXT} AND {last}");
        let left = left.replace("wp_fcom_meta WHERE user_id", "wp_fcom_meta WHERE object_id");
        assert_eq!(site.number(&left).await, u64::from(count), "{table}");
        let skipped = format!("skipped the user ids {NEXT} to {last}");
        assert_eq!(sidecar.log().matches(&skipped).count(), 1);
    }
}

#[tokio::test]
async fn an_id_with_a_leftover_row_is_not_given_to_a_new_member() {
    assert_skipped(1).await;
}

#[tokio::test]
async fn three_hundred_ids_with_leftover_rows_cost_one_retry() {
    assert_skipped(300).await;
}

#[tokio::test]
async fn a_hundred_thousand_ids_with_leftover_rows_are_skipped_in_one_go() {
    assert_skipped(100_000).await;
}

/// Rows here and there, of several tables, and one so far away that it must not be jumped to.
#[tokio::test]
async fn scattered_leftovers_are_passed_one_after_the_other() {
    let (site, mut sidecar) = site_and_sidecar().await;
    let far = 3_000_000_000_000;
    for (n, id) in [14, 15, 18, 99, 100, 101, far].into_iter().enumerate() {
        leave(&site, TABLES[n % TABLES.len()].1, id, 1).await;
    }
    sidecar.spawn();
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    let mut ids = Vec::new();
    for n in 0..4 {
        let email = format!("new{n}@example.com");
        ids.push(
            sidecar
                .client
                .execute(PLAIN_HOOK, &[("email", &email)])
                .await,
        );
    }
    assert_eq!(ids, [13, 102, 103, 104], "{}", sidecar.log());
    for id in ids {
        assert_inherits_nothing(&site, id).await;
    }
}

/// Nothing else tells the daemon, which has looked ahead, that the counter went back.
#[tokio::test]
async fn a_counter_that_goes_back_under_the_running_daemon_gives_nobody_an_id_with_rows() {
    let site = Site::new("71").await;
    let environment = [
        ("FCOM_SIDECAR__MAIL__TRANSPORT", "off"),
        ("FCOM_SIDECAR__DATABASE__RESTORE_PAUSE_SECONDS", "0"),
    ];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    until("a look ahead", async || {
        sidecar.log().contains("new users can have the ids up to")
    })
    .await;
    let mut members = Vec::new();
    for n in 1..=3 {
        let email = format!("gone{n}@example.com");
        members.push(
            sidecar
                .client
                .execute(PLAIN_HOOK, &[("email", &email)])
                .await,
        );
    }
    assert_eq!(members, [NEXT, NEXT + 1, NEXT + 2]);
    site.execute(&format!(
        "DELETE FROM wp_users WHERE ID > {NEXT}; ALTER TABLE wp_users AUTO_INCREMENT = {}",
        NEXT + 1
    ))
    .await;
    let fields = [("email", "new@example.com")];
    let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
    assert_eq!(id, NEXT + 3, "{}", sidecar.log());
    assert_inherits_nothing(&site, id).await;
}

/// Neither the table's column nor any setting of the server needs a privilege of its own.
#[tokio::test]
async fn an_ordinary_account_skips_them_too() {
    let (site, mut sidecar) = site_and_sidecar().await;
    let (database, port) = (&site.database, site.server.port());
    let account = format!("'ordinary_{database}'@'%'");
    let columns = "user_login, user_pass, user_nicename, user_email, user_url, user_registered, user_activation_key, display_name";
    let mut grants = format!("CREATE USER {account} IDENTIFIED BY '{PASSWORD}';");
    for table in site.column("SHOW TABLES").await {
        let privileges = if table == "wp_users" {
            format!("SELECT, INSERT ({columns}), UPDATE (user_activation_key)")
        } else {
            "SELECT, INSERT, UPDATE, DELETE".to_owned()
        };
        grants.push_str(&format!(
            "GRANT {privileges} ON `{database}`.{table} TO {account};"
        ));
    }
    site.execute(&grants).await;
    leave(&site, TABLES[2].1, NEXT, 300).await;
    let url = format!("mysql://ordinary_{database}:{PASSWORD}@127.0.0.1:{port}/{database}");
    sidecar.set_environment("FCOM_SIDECAR__DATABASE__URL", &url);
    sidecar.client.record(&[PASSWORD.to_owned()]);
    sidecar.spawn();
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    let fields = [("email", "new@example.com")];
    let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
    assert_eq!(id, NEXT + 300, "{}", sidecar.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn colliding_calls_and_instances_all_pass_them() {
    let (site, mut one) = site_and_sidecar().await;
    let mut two = Sidecar::unstarted(&site, &[("FCOM_SIDECAR__MAIL__TRANSPORT", "off")]).await;
    for (_, statement) in TABLES {
        leave(&site, statement, NEXT, 300).await;
    }
    for sidecar in [&mut one, &mut two] {
        sidecar.spawn();
        assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    }
    // Every address is called twice at once, at both instances.
    let calls = (0..40).map(|n| {
        let client = if n % 2 == 0 { &one.client } else { &two.client };
        async move {
            let email = format!("new{}@example.com", n / 2);
            client.execute(SPACES_HOOK, &[("email", &email)]).await
        }
    });
    let ids: BTreeSet<u64> = join_all(calls).await.into_iter().collect();
    assert_eq!(ids.len(), 20);
    for id in ids {
        assert!(id >= NEXT + 300, "{id}");
        // Those of the webhook, without the leftover one.
        assert_eq!(spaces_of(&site, id).await, ["1", "2", "4"]);
    }
    assert_nobody_has(&site, NEXT, NEXT + 299).await;
}
