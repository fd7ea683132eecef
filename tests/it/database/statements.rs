//! The server accepts every statement of the daemon, for all table prefixes and all releases of the site.

use std::collections::BTreeSet;

use fcom_sidecar::db::{Statements, TableNames};
use fcom_sidecar::sample::server::Family;
use sqlx::Executor;

use crate::harness::site::{PREFIX, Site};
use crate::harness::tables::{make_network, numbers, statements_for};

/// Rows per statement where a statement takes several.
const SEVERAL: usize = 3;

/// Creates our tables and has the server prepare every statement, for one row and for several.
async fn assert_accepted(site: &Site, tables: &TableNames) {
    site.migrate(&site.database, tables).await;
    let mut connection = site.pool().acquire().await.unwrap();
    for (name, statement) in statements_for(tables) {
        for sql in [statement.sql(), statement.repeated(SEVERAL)] {
            if let Err(error) = connection.prepare(sql.clone()).await {
                panic!("{name} on {}: {error}\n{}", site.wordpress, sql.as_str());
            }
        }
    }
}

#[tokio::test]
async fn every_statement_fits_the_tables_of_every_release() {
    let tables = TableNames::new(PREFIX, None, None).unwrap();
    for fixture in ["61", "67", "68", "70", "71"] {
        assert_accepted(&Site::new(fixture).await, &tables).await;
    }
}

#[tokio::test]
async fn every_statement_follows_another_prefix_and_custom_user_tables() {
    let custom = TableNames::new("Site9_", Some("shared_users"), Some("shared_meta")).unwrap();
    for fixture in ["61", "71"] {
        let mut site = Site::new(fixture).await;
        site.rename(custom.prefix()).await;
        site.execute("RENAME TABLE Site9_users TO shared_users, Site9_usermeta TO shared_meta")
            .await;
        assert_accepted(&site, &custom).await;
    }
}

#[tokio::test]
async fn every_statement_fits_a_site_of_a_network() {
    for fixture in ["61", "71"] {
        let site = Site::new(fixture).await;
        let tables = make_network(&site).await;
        assert_accepted(&site, &tables).await;
        let own = site.column("SHOW TABLES LIKE '%fcom_sidecar%'").await;
        let is_shared = |table: &&String| !table.starts_with("wp_2_");
        let shared: Vec<_> = own.iter().filter(is_shared).collect();
        assert_eq!(shared, ["wp_fcom_sidecar_claims"]);
        assert!(
            !own.contains(&"wp_2_fcom_sidecar_claims".to_owned()),
            "{own:?}"
        );
        // The second site finds the claims in place, and creates the rest.
        let main = TableNames::new(PREFIX, None, None).unwrap();
        assert_accepted(&site, &main.of_blog(1, PREFIX).unwrap()).await;
    }
}

/// Statements that read a whole table, and why they may.
const READS_A_TABLE: [(&str, &str, &str); 12] = [
    (
        "list_webhooks",
        "wp_fcom_meta",
        "all webhooks, and only for operators; a site has some dozens",
    ),
    (
        "prune_old_keys",
        "wp_fcom_sidecar_old_keys",
        "a handful of keys that were replaced lately",
    ),
    (
        "webhook_keys",
        "wp_fcom_sidecar_old_keys",
        "a handful of keys that were replaced lately",
    ),
    (
        "webhook_keys",
        "wp_fcom_meta",
        "all webhooks, and a few times a second at most; a site has some dozens",
    ),
    (
        "webhook_records",
        "wp_fcom_meta",
        "all webhooks, and only for operators; a site has some dozens",
    ),
    (
        "webhook_targets",
        "wp_fcom_spaces",
        "all spaces, and only for operators; a site has some dozens",
    ),
    (
        "insert_network_user_count",
        "wp_users",
        "only up to 10,000 users, as WordPress does",
    ),
    (
        "update_network_user_count",
        "wp_users",
        "only up to 10,000 users, as WordPress does",
    ),
    (
        "shadow_figures",
        "wp_fcom_sidecar_shadow",
        "an index of at most 100,000 rows, and only for operators",
    ),
    (
        "space_ids_of_user",
        "s",
        "all spaces, as PHP does; a site has some dozens",
    ),
    (
        "update_user_count",
        "wp_users",
        "only up to 10,000 users, as WordPress does",
    ),
    (
        "webhook_records",
        "wp_fcom_meta",
        "only for an operator who names a webhook by its title",
    ),
];

/// One row of a statement's plan.
pub(super) struct Step {
    pub(super) statement: &'static str,
    /// `SIMPLE`, `DERIVED`, `UNION RESULT` and so on.
    pub(super) select: String,
    pub(super) table: String,
    /// How its rows are found: `ALL` and `index` read all of them.
    access: String,
    /// What else the server does with them.
    pub(super) extra: String,
}

/// The server's plan of every statement, on a site that is large enough for it to use indexes.
pub(super) async fn plans() -> Vec<Step> {
    let site = Site::new("71").await;
    make_network(&site).await;
    // The main site, to include the statements of single sites.
    let tables = TableNames::new(PREFIX, None, None).unwrap();
    let tables = tables.of_blog(1, PREFIX).unwrap();
    site.migrate(&site.database, &tables).await;
    // A small table is read whole whatever its indexes are.
    let [few, several, many, most] = [100, 400, 1000, 4000].map(numbers);
    site.execute(&format!(
        "INSERT INTO wp_users (user_login, user_nicename, user_email, display_name)
            SELECT CONCAT('u', seq), CONCAT('u', seq), CONCAT('u', seq, '@example.com'), 'u' FROM {most};
        INSERT INTO wp_usermeta (user_id, meta_key, meta_value)
            SELECT ID, m.name, '' FROM wp_users, (SELECT 'nickname' AS name UNION SELECT 'locale' UNION SELECT 'first_name') m;
        INSERT INTO wp_fcom_xprofile (user_id, username) SELECT ID, user_login FROM wp_users WHERE ID > 12;
        INSERT INTO wp_fcom_space_user (space_id, user_id) SELECT seq % 50, seq FROM {most};
        INSERT INTO wp_fcom_spaces (title, slug, type) SELECT 'x', CONCAT('x', seq), 'community' FROM {several};
        INSERT INTO wp_fcom_meta (object_type, object_id, meta_key, value)
            SELECT 'webhook', 0, SHA2(seq, 224), 'a:0:{{}}' FROM {many};
        INSERT INTO wp_fcom_posts (space_id, type) SELECT seq % 50, 'feed' FROM {most};
        INSERT INTO wp_options (option_name, option_value) SELECT CONCAT('option', seq), '' FROM {many};
        INSERT INTO wp_actionscheduler_actions (hook, status, args)
            SELECT CONCAT('hook', seq % 30), 'pending', seq FROM {most};
        INSERT INTO wp_blogs (site_id, domain) SELECT 1 + seq % 3, seq FROM {many};
        INSERT INTO wp_site (domain) SELECT seq FROM {few};
        INSERT INTO wp_sitemeta (site_id, meta_key) SELECT 1 + seq % 3, CONCAT('k', seq) FROM {most};
        INSERT INTO wp_fcom_sidecar_runs (call_id, webhook_id, user_id, outcome, duration_ms, created_at, tallied)
            SELECT UNHEX(LEFT(SHA2(seq, 224), 32)), 3, seq, 'found', 1, NOW(), 1 FROM {most};
        INSERT INTO wp_fcom_sidecar_mail (user_id, webhook_id, state, next_attempt_at, tried_since, created_at)
            SELECT seq, 3, 'sent', NOW(), NOW(), NOW() FROM {most};
        INSERT INTO wp_fcom_sidecar_events (user_id, kind, state, due_at, created_at)
            SELECT seq, 'user_register', IF(seq % 100, 'done', 'pending'), NOW(), NOW() FROM {most};
        INSERT INTO wp_fcom_sidecar_old_keys (key_hash, webhook_id, valid_until)
            SELECT UNHEX(SHA2(seq, 256)), seq, NOW() FROM {most};
        INSERT INTO wp_fcom_sidecar_signed (id_hash, webhook_id, fields_hash, user_id, outcome, executed_at, created_at)
            SELECT UNHEX(SHA2(seq, 256)), 3, UNHEX(SHA2(seq, 256)), seq, 'found', NOW(), NOW() FROM {most};
        INSERT INTO wp_fcom_sidecar_refused (created_at, webhook_id, outcome, status, address_hash, request_id)
            SELECT NOW(), seq % 50, 'busy', 503, UNHEX(LEFT(SHA2(seq, 256), 32)), seq FROM {most};
        INSERT INTO wp_fcom_sidecar_kept (refused_id, webhook_id, created_at, run_id)
            SELECT seq, seq % 50, NOW(), IF(seq % 2, NULL, seq) FROM {most};
        INSERT INTO wp_fcom_sidecar_shadow (started_at, ended_at, verdict)
            SELECT UTC_TIMESTAMP() - INTERVAL seq MINUTE, UTC_TIMESTAMP() - INTERVAL seq MINUTE, IF(seq % 9, 'equal', 'agreed') FROM {most};
        INSERT INTO wp_fcom_sidecar_instances (id, name, seen_at)
            SELECT UNHEX(LEFT(SHA2(seq, 256), 32)), seq, UTC_TIMESTAMP() - INTERVAL seq * 20 SECOND FROM {most};
        ANALYZE TABLE wp_fcom_sidecar_shadow, wp_fcom_sidecar_refused, wp_fcom_sidecar_kept, wp_fcom_sidecar_instances, wp_fcom_sidecar_signed, wp_fcom_sidecar_old_keys, wp_blogs, wp_site, wp_sitemeta, wp_users, wp_usermeta, wp_fcom_xprofile, wp_fcom_space_user, wp_fcom_spaces, wp_fcom_meta,
            wp_fcom_posts, wp_options, wp_actionscheduler_actions, wp_fcom_sidecar_runs, wp_fcom_sidecar_mail,
            wp_fcom_sidecar_events"
    ))
    .await;
    // MySQL returns a tree by default, and also names partitions and what a condition filters.
    let (explain, access, extra) = match site.server.family() {
        Family::MariaDb => ("EXPLAIN", 3, 9),
        Family::MySql => ("EXPLAIN FORMAT=TRADITIONAL", 4, 11),
    };
    let mut steps = Vec::new();
    for (name, statement) in Statements::render(&tables).all() {
        let sql = statement.repeated(SEVERAL);
        let sql = with_values(&sql.as_str().replace("LIMIT ?", "LIMIT 7"));
        // MariaDB 10.5 executes an INSERT of a UNION's rows, but cannot explain it.
        let sql = match sql.split_once("\nSELECT") {
            Some((insert, select)) if insert.starts_with("INSERT") && select.contains("UNION") => {
                format!("SELECT{select}")
            }
            _ => sql,
        };
        for mut row in site.rows(&format!("{explain} {sql}")).await {
            let mut take = |column: usize| row[column].take().unwrap_or_default();
            steps.push(Step {
                statement: name,
                select: take(1),
                table: take(2),
                access: take(access),
                extra: take(extra),
            });
        }
    }
    steps
}

/// The statement with values that can be compared with every column, including dates. No two of them are the same: the server
/// would make a list of equal ones a single value, and plan for one row.
fn with_values(sql: &str) -> String {
    let mut pieces = sql.split('?');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for (index, piece) in pieces.enumerate() {
        let (month, day) = (1 + index / 28 % 12, 1 + index % 28);
        text.push_str(&format!("'2026{month:02}{day:02}000000'{piece}"));
    }
    text
}

/// The cost of a call must not grow with the site.
#[tokio::test]
async fn no_statement_reads_a_table_that_grows() {
    let mut found = BTreeSet::new();
    for step in plans().await {
        let reads = !step.table.starts_with('<') && step.select != "INSERT";
        if reads && matches!(step.access.as_str(), "ALL" | "index") {
            found.insert((step.statement.to_owned(), step.table));
        }
    }
    let known = READS_A_TABLE.map(|(name, table, _)| (name.to_owned(), table.to_owned()));
    let known = BTreeSet::from(known);
    // Which of the small tables it reads whole is up to each server.
    let unknown: Vec<_> = found.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Syntax that only one of the supported servers understands, or only its newer versions (`MySQL` 5.7 and 8, `MariaDB`
/// 10.3 and later), and syntax that one of them has dropped. The rest of our SQL is common to all of them: `ON
/// DUPLICATE KEY UPDATE` without `VALUES()`, index hints, multi-table `DELETE`, `CAST`, `CREATE TABLE IF NOT EXISTS`.
const NOT_PORTABLE: [&str; 27] = [
    "MD5(",
    "SHA1(",
    "SHA(",
    " VALUES(",
    " RETURNING ",
    " SKIP LOCKED",
    " NOWAIT",
    " FOR SHARE",
    " ADD COLUMN IF NOT EXISTS",
    " ADD INDEX IF NOT EXISTS",
    " ADD KEY IF NOT EXISTS",
    " MODIFY COLUMN IF EXISTS",
    " CREATE INDEX IF NOT EXISTS",
    " CREATE OR REPLACE ",
    " NEXTVAL",
    " NEXT VALUE FOR ",
    " SEQ_1_TO_",
    " SET STATEMENT ",
    " BEGIN NOT ATOMIC",
    " ROWS EXAMINED",
    " INTERSECT ",
    " EXCEPT ",
    " WITH ",
    " OVER (",
    " LATERAL ",
    " JSON_TABLE",
    " INVISIBLE",
];

#[test]
fn no_statement_needs_what_only_one_server_has() {
    let mut found = Vec::new();
    for folder in ["queries", "migrations", "checks"] {
        let folder = format!("{}/sql/{folder}", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim().starts_with("--"));
            let words = code.flat_map(str::split_whitespace).collect::<Vec<_>>();
            let text = format!(" {} ", words.join(" ").to_uppercase());
            let only_one = NOT_PORTABLE.iter().filter(|words| text.contains(*words));
            found.extend(only_one.map(|words| format!("{}:{words}", path.display())));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}
