//! Invariants of a whole site at rest, after any calls, in any order, on any number of instances.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::site::Site;
use crate::harness::webhook_record::{promised_spaces, running_count};

/// Metadata of every new user, in the order in which WordPress inserts it. `infinite_scrolling` comes with 7.1.
const USERMETA: [&str; 14] = [
    "nickname",
    "first_name",
    "last_name",
    "description",
    "rich_editing",
    "syntax_highlighting",
    "infinite_scrolling",
    "comment_shortcuts",
    "admin_color",
    "use_ssl",
    "show_admin_bar_front",
    "locale",
    "wp_capabilities",
    "wp_user_level",
];

/// The list that FluentCommunity updates when a member leaves; new users have it only after a removal.
const SPACE_IDS: &str = "_fcom_space_ids";

/// Queries that return a row per violation. Names compare by the columns' collation, as WordPress compares them.
const NONE_OF_THESE: [(&str, &str); 10] = [
    (
        "users with one e-mail",
        "SELECT user_email FROM wp_users WHERE user_email <> '' GROUP BY user_email HAVING COUNT(*) > 1",
    ),
    (
        "users with one login",
        "SELECT user_login FROM wp_users GROUP BY user_login HAVING COUNT(*) > 1",
    ),
    (
        "users with one nicename",
        "SELECT user_nicename FROM wp_users GROUP BY user_nicename HAVING COUNT(*) > 1",
    ),
    (
        "profiles with one username",
        "SELECT username FROM wp_fcom_xprofile GROUP BY username HAVING COUNT(*) > 1",
    ),
    (
        "profiles of one user",
        "SELECT user_id FROM wp_fcom_xprofile GROUP BY user_id HAVING COUNT(*) > 1",
    ),
    (
        "memberships of one user in one space",
        "SELECT CONCAT(user_id, ' in ', space_id) FROM wp_fcom_space_user GROUP BY user_id, space_id HAVING COUNT(*) > 1",
    ),
    (
        "metadata of nobody",
        "SELECT m.user_id FROM wp_usermeta m LEFT JOIN wp_users u ON u.ID = m.user_id WHERE u.ID IS NULL",
    ),
    (
        "profiles of nobody",
        "SELECT p.user_id FROM wp_fcom_xprofile p LEFT JOIN wp_users u ON u.ID = p.user_id WHERE u.ID IS NULL",
    ),
    (
        "untallied runs",
        "SELECT id FROM wp_fcom_sidecar_runs WHERE NOT tallied",
    ),
    ("claims", "SELECT value FROM wp_fcom_sidecar_claims"),
];

/// Panics with all violations.
pub(crate) async fn assert_hold(site: &Site) {
    let violations = violations(site).await;
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// Waits until no run is untallied.
pub(crate) async fn wait_for_tally(site: &Site) {
    site.goes("SELECT COUNT(*) FROM wp_fcom_sidecar_runs WHERE NOT tallied")
        .await;
}

/// All violations, one line each.
pub(crate) async fn violations(site: &Site) -> Vec<String> {
    let mut violations = Vec::new();
    for (what, sql) in NONE_OF_THESE {
        for value in site.column(sql).await {
            violations.push(format!("{what}: {value}"));
        }
    }
    check_new_users(site, &mut violations).await;
    check_counts(site, &mut violations).await;
    violations
}

/// Every user created during the test is complete: metadata once and in order, a profile, a run that created them, and,
/// where only one webhook was at work, the memberships that it promises.
async fn check_new_users(site: &Site, violations: &mut Vec<String>) {
    let webhooks: BTreeMap<u64, String> = site.webhooks().await.into_iter().collect();
    let known = "SELECT id FROM wp_fcom_spaces WHERE type IN ('community', 'course')";
    let known: BTreeSet<u64> = numbers(&site.column(known).await.join(","));
    let sql = format!(
        "SELECT u.ID,
            (SELECT GROUP_CONCAT(m.meta_key ORDER BY m.umeta_id) FROM wp_usermeta m WHERE m.user_id = u.ID),
            (SELECT COUNT(*) FROM wp_fcom_xprofile p WHERE p.user_id = u.ID),
            (SELECT GROUP_CONCAT(DISTINCT r.webhook_id) FROM wp_fcom_sidecar_runs r WHERE r.user_id = u.ID),
            (SELECT GROUP_CONCAT(s.space_id) FROM wp_fcom_space_user s
             WHERE s.user_id = CONVERT(u.ID, CHAR) COLLATE utf8mb4_unicode_520_ci AND s.status = 'active')
         FROM wp_users u WHERE u.ID > {}",
        site.last_user
    );
    for row in site.rows(&sql).await {
        let [id, keys, profiles, runs, spaces] = <[_; 5]>::try_from(row)
            .unwrap()
            .map(Option::unwrap_or_default);
        let keys: Vec<&str> = keys.split(',').filter(|key| *key != SPACE_IDS).collect();
        let is_present = |key: &&str| *key != "infinite_scrolling" || site.wordpress == "7.1";
        let expected: Vec<&str> = USERMETA.into_iter().filter(is_present).collect();
        if keys != expected {
            violations.push(format!("user {id} has the metadata {keys:?}"));
        }
        if profiles != "1" {
            violations.push(format!("user {id} has {profiles} profiles"));
        }
        let runs: Vec<u64> = numbers(&runs).into_iter().collect();
        match runs[..] {
            [] => violations.push(format!("no run has made user {id}")),
            [webhook] => {
                let promised = promised_spaces(&webhooks[&webhook], &known);
                let spaces = numbers(&spaces);
                if spaces != promised {
                    violations.push(format!(
                        "user {id} is in {spaces:?}, but webhook {webhook} promises {promised:?}"
                    ));
                }
            }
            _ => {}
        }
    }
    let sql = format!(
        "SELECT user_id FROM wp_usermeta WHERE user_id > {} AND meta_key = '{SPACE_IDS}' \
         GROUP BY user_id HAVING COUNT(*) > 1",
        site.last_user
    );
    for id in site.column(&sql).await {
        violations.push(format!("user {id} has {SPACE_IDS} more than once"));
    }
}

/// Every counter matches the runs.
async fn check_counts(site: &Site, violations: &mut Vec<String>) {
    for (id, record) in site.webhooks().await {
        let earlier = site.earlier_runs.get(&id).copied().unwrap_or(0);
        let sql = format!("SELECT COUNT(*) FROM wp_fcom_sidecar_runs WHERE webhook_id = {id}");
        let (count, runs) = (running_count(&record), site.number(&sql).await);
        if count != earlier + runs {
            violations.push(format!(
                "webhook {id} counts {count}, but ran {earlier} times before and {runs} times now"
            ));
        }
    }
    let count = "SELECT option_value FROM wp_options WHERE option_name = 'user_count'";
    let (count, users) = (
        site.number(count).await,
        site.number("SELECT COUNT(*) FROM wp_users").await,
    );
    if count != users {
        violations.push(format!(
            "user_count is {count}, but there are {users} users"
        ));
    }
}

fn numbers(list: &str) -> BTreeSet<u64> {
    list.split(',').filter_map(|one| one.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user as a complete run leaves them, and the own tables with that run.
    const COMPLETE: &str = "
        CREATE TABLE wp_fcom_sidecar_claims (kind varchar(16), value varchar(100));
        CREATE TABLE wp_fcom_sidecar_runs (id bigint PRIMARY KEY, webhook_id bigint, user_id bigint, tallied tinyint);
        INSERT INTO wp_users (user_login, user_nicename, user_email) VALUES ('new', 'new', 'new@example.com');
        INSERT INTO wp_usermeta (user_id, meta_key, meta_value)
            SELECT 13, meta_key, meta_value FROM wp_usermeta WHERE user_id = 2 ORDER BY umeta_id;
        INSERT INTO wp_fcom_xprofile (user_id, username) VALUES (13, 'new');
        INSERT INTO wp_fcom_space_user (space_id, user_id) VALUES (1, 13), (2, 13), (4, 13);
        INSERT INTO wp_fcom_sidecar_runs VALUES (1, 5, 13, 1);
        UPDATE wp_fcom_meta SET value = REPLACE(REPLACE(value, 'a:6', 'a:7'), ';}', ';s:13:\"running_count\";i:1;}')
            WHERE id = 5 AND value LIKE '%s:2:\"no\";}';
        UPDATE wp_fcom_meta SET value = REPLACE(value, 'i:2;s:1:\"4\";s:13:\"running_count\";i:1;}', 'i:2;s:1:\"4\";}')
            WHERE id = 5;
        UPDATE wp_options SET option_value = '13' WHERE option_name = 'user_count';";

    #[tokio::test]
    async fn a_complete_user_violates_nothing() {
        for fixture in ["61", "71"] {
            let site = Site::new(fixture).await;
            site.execute(COMPLETE).await;
            assert_hold(&site).await;
        }
    }

    #[tokio::test]
    async fn every_kind_of_damage_is_found() {
        for (damage, expected) in [
            (
                "UPDATE wp_users SET user_email = 'ADMIN@example.com' WHERE ID = 13",
                "users with one e-mail",
            ),
            (
                "UPDATE wp_users SET user_login = 'ADMIN' WHERE ID = 13",
                "users with one login",
            ),
            (
                "UPDATE wp_users SET user_nicename = 'admin' WHERE ID = 13",
                "users with one nicename",
            ),
            (
                "UPDATE wp_fcom_xprofile SET username = 'profiled' WHERE user_id = 13",
                "profiles with one username",
            ),
            (
                "INSERT INTO wp_fcom_space_user (space_id, user_id) VALUES (1, 13)",
                "memberships of one user",
            ),
            (
                "DELETE FROM wp_fcom_space_user WHERE user_id = 13 AND space_id = 4",
                "user 13 is in {1, 2}",
            ),
            (
                "DELETE FROM wp_usermeta WHERE user_id = 13 AND meta_key = 'locale'",
                "user 13 has the metadata",
            ),
            (
                "INSERT INTO wp_usermeta (user_id, meta_key) VALUES (13, 'nickname')",
                "user 13 has the metadata",
            ),
            (
                "DELETE FROM wp_fcom_xprofile WHERE user_id = 13",
                "user 13 has 0 profiles",
            ),
            (
                "DELETE FROM wp_users WHERE ID = 13",
                "metadata of nobody: 13",
            ),
            (
                "DELETE FROM wp_users WHERE ID = 13",
                "profiles of nobody: 13",
            ),
            (
                "DELETE FROM wp_fcom_sidecar_runs",
                "no run has made user 13",
            ),
            ("DELETE FROM wp_fcom_sidecar_runs", "webhook 5 counts 1"),
            (
                "UPDATE wp_fcom_sidecar_runs SET webhook_id = 6",
                "webhook 6 counts 41, but ran 41 times before and 1",
            ),
            (
                "UPDATE wp_fcom_sidecar_runs SET tallied = 0",
                "untallied runs: 1",
            ),
            (
                "INSERT INTO wp_fcom_sidecar_claims VALUES ('email', 'x')",
                "claims: x",
            ),
            (
                "UPDATE wp_options SET option_value = '12' WHERE option_name = 'user_count'",
                "user_count is 12",
            ),
        ] {
            let site = Site::new("71").await;
            site.execute(COMPLETE).await;
            site.execute(damage).await;
            let found = violations(&site).await;
            assert!(
                found.iter().any(|one| one.starts_with(expected)),
                "{damage}: {found:?}"
            );
        }
    }
}
