//! The rows of a large site, as the daemon would have written them.
//!
//! Each table gets its rows from one statement, while it is empty and without checks: `MariaDB` then sorts the entries of each
//! index and writes it once, which takes a fraction of the time. Rows of the fixture are put back afterwards.

use super::{BEFORE_USERS, JOINING_HOOK, MEMBER_HOOK, SPACES};

/// Generated rows of the tables with rows in the fixture begin behind these.
const BEFORE_ROWS: u64 = 1_000_000;
const WITHOUT_CHECKS: &str = "SET unique_checks = 0, foreign_key_checks = 0";
/// Refused calls at most, as with the default of `refused.max_rows`.
const MOST_REFUSED: u64 = 100_000;
/// Of this many events one waits.
const WAITING: u64 = 10;

/// Spaces from the first of [`SPACES`] on, and the webhook of the first three.
pub(super) fn spaces(memberships: u64) -> String {
    let [first, second, third] = SPACES;
    let before = first - 1;
    format!(
        "INSERT INTO wp_fcom_spaces (id, created_by, title, slug, type, settings, created_at, updated_at) \
             SELECT {before} + seq, 1, CONCAT('Members ', seq), CONCAT('members-', seq), 'community', 'a:0:{{}}', \
                 '2026-01-01 00:00:00', '2026-01-01 00:00:00' FROM seq_1_to_{memberships}; \
         INSERT INTO wp_fcom_meta (object_type, meta_key, value, created_at, updated_at) \
             SELECT 'webhook', '{MEMBER_HOOK}', REPLACE(REPLACE(REPLACE(REPLACE(value, 's:4:\"Hook\"', 's:5:\"Bench\"'), \
                 's:1:\"1\"', 's:3:\"{first}\"'), 's:1:\"2\"', 's:3:\"{second}\"'), 's:1:\"4\"', 's:3:\"{third}\"'), \
                 created_at, updated_at FROM wp_fcom_meta WHERE meta_key = '{JOINING_HOOK}'"
    )
}

/// Statements that insert the users, in two groups that take about as long as each other.
pub(super) fn rows(users: u64, memberships: u64) -> [Vec<String>; 2] {
    let id = format!("{BEFORE_USERS} + seq");
    let meta = [
        ("nickname", "CONCAT('member', seq)"),
        ("first_name", "'Member'"),
        ("last_name", "CONCAT('Number ', seq)"),
        ("description", "''"),
        ("rich_editing", "'true'"),
        ("syntax_highlighting", "'true'"),
        ("comment_shortcuts", "'false'"),
        ("admin_color", "'modern'"),
        ("use_ssl", "'0'"),
        ("show_admin_bar_front", "'true'"),
        ("locale", "''"),
        ("wp_capabilities", r#"'a:1:{s:10:"subscriber";b:1;}'"#),
        ("wp_user_level", "'0'"),
        ("infinite_scrolling", "'true'"),
    ];
    // The sequence counts rows: those of a user follow each other.
    let keys = meta.len();
    let pick = |of: fn(&(&str, &str)) -> String| {
        let all: Vec<String> = meta.iter().map(of).collect();
        format!("ELT(1 + row MOD {keys}, {})", all.join(", "))
    };
    let (key, value) = (
        pick(|(key, _)| format!("'{key}'")),
        pick(|(_, value)| (*value).to_owned()),
    );
    let entries = users * keys as u64;
    let metadata = format!(
        "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) \
         SELECT {id}, {key}, {value} FROM (SELECT seq - 1 AS row, 1 + (seq - 1) DIV {keys} AS seq FROM seq_1_to_{entries}) entries"
    );
    let users_rows = format!(
        "INSERT INTO wp_users \
             (ID, user_login, user_pass, user_nicename, user_email, user_registered, display_name) \
         SELECT {id}, CONCAT('member', seq), CONCAT('$P$B', LEFT(SHA2(seq, 256), 30)), CONCAT('member', seq), \
             CONCAT('member', seq, '@bench.example'), '2026-01-01 00:00:00', CONCAT('Member Number ', seq) \
         FROM seq_1_to_{users}"
    );
    let profiles = format!(
        "INSERT INTO wp_fcom_xprofile \
             (user_id, username, status, display_name, short_description, created_at, updated_at) \
         SELECT {id}, CONCAT('member', seq), 'active', CONCAT('Member Number ', seq), '', \
             '2026-01-01 00:00:00', '2026-01-01 00:00:00' FROM seq_1_to_{users}"
    );
    let (all, first) = (users * memberships, SPACES[0]);
    let members = format!(
        "INSERT INTO wp_fcom_space_user (space_id, user_id, created_at, updated_at) \
         SELECT {first} + (seq - 1) MOD {memberships}, {BEFORE_USERS} + 1 + (seq - 1) DIV {memberships}, \
             '2026-01-01 00:00:00', '2026-01-01 00:00:00' FROM seq_1_to_{all}"
    );
    [
        vec![
            anew("wp_usermeta", &metadata),
            anew("wp_users", &users_rows),
        ],
        vec![
            anew("wp_fcom_space_user", &members),
            anew("wp_fcom_xprofile", &profiles),
        ],
    ]
}

/// Empties a table, inserts rows into it, and then those that were there.
fn anew(table: &str, insert: &str) -> String {
    format!(
        "{WITHOUT_CHECKS}; CREATE TABLE kept_{table} AS SELECT * FROM {table}; TRUNCATE TABLE {table}; \
         ALTER TABLE {table} AUTO_INCREMENT = {BEFORE_ROWS}; {insert}; \
         INSERT INTO {table} SELECT * FROM kept_{table}; DROP TABLE kept_{table}; \
         SET unique_checks = 1, foreign_key_checks = 1"
    )
}

/// Statements that insert what daemons have written during the last twenty days, in two groups. The tables exist, and are empty.
pub(super) fn history(users: u64) -> [Vec<String>; 2] {
    let runs = users * 10;
    let refused = users.min(MOST_REFUSED);
    let minutes = 20 * 24 * 60;
    let member = format!("{BEFORE_USERS} + 1 + seq MOD {users}");
    let ago = |rows: u64| {
        format!("UTC_TIMESTAMP() - INTERVAL ({rows} - seq) * {minutes} DIV {rows} MINUTE")
    };
    let (of_runs, of_users, of_refused) = (ago(runs), ago(users), ago(refused));
    // Nothing that has ended is older than its retention, and nothing that waits is old enough to be given up.
    let lately = "UTC_TIMESTAMP(3) - INTERVAL 1 HOUR";
    let insert = |table: &str, columns: &str, select: &str| {
        format!(
            "{WITHOUT_CHECKS}; INSERT INTO wp_fcom_sidecar_{table} ({columns}) SELECT {select}; \
             SET unique_checks = 1, foreign_key_checks = 1"
        )
    };
    [
        vec![insert(
            "runs",
            "call_id, webhook_id, user_id, outcome, changes, tallied, duration_ms, request_id, created_at",
            &format!(
                "UNHEX(MD5(seq)), 3 + seq MOD 3, {member}, 'found', '{{}}', 1, 5, MD5(CONCAT('request', seq)), {of_runs} \
                 FROM seq_1_to_{runs}"
            ),
        )],
        vec![
            insert(
                "mail",
                "user_id, webhook_id, state, attempts, next_attempt_at, tried_since, created_at, finished_at",
                &format!(
                    "{member}, 3, IF(seq MOD 1000 = 1, 'dead', 'sent'), 1, {of_users}, {of_users}, {of_users}, {of_users} \
                     FROM seq_1_to_{users}"
                ),
            ),
            insert(
                "events",
                "run_id, user_id, kind, state, attempts, due_at, last_error, created_at, finished_at",
                &format!(
                    "seq, {member}, 'user_register', CASE WHEN seq MOD 1000 = 1 THEN 'dead' \
                         WHEN seq MOD {WAITING} = 0 THEN 'pending' ELSE 'done' END, seq MOD 100 = 0, {lately}, \
                     IF(seq MOD 100 = 0, 'a listener failed', NULL), {lately}, IF(seq MOD {WAITING} = 0, NULL, {lately}) \
                     FROM seq_1_to_{users}"
                ),
            ),
            insert(
                "refused",
                "created_at, webhook_id, outcome, status, address_hash, request_id, message",
                &format!(
                    "{of_refused}, 3 + seq MOD 3, 'invalid_email', 423, UNHEX(MD5({member})), MD5(CONCAT('refused', seq)), \
                     'Email is required' FROM seq_1_to_{refused}"
                ),
            ),
        ],
    ]
}
