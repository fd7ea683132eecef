//! What strangers can write into what the console shows: names, titles, fields of forms, the words of servers.

use crate::harness::eventually::until;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

/// Ends an attribute, and does something if it is executed; without a blank at its end.
const HOSTILE: &str = "\"><script>alert(1);pwned=1</script><b onmouseover='x'><img src=x onerror=pwned=1>{{ csrf }}\u{1b}[2Jaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The rows that they wrote.
pub(crate) struct Rows {
    pub(crate) run: String,
    pub(crate) refused: String,
}

impl Rows {
    /// All pages that there are for these rows.
    pub(crate) fn pages(&self) -> Vec<String> {
        let names = [
            "",
            "runs",
            "runs?member=1",
            "runs?webhook=3",
            "runs?request=nothing",
            "runs?member=nobody",
            "refused",
            "refused?webhook=3",
            "webhooks",
            "webhooks/new",
            "webhooks/3",
            "mails",
            "mails?state=dead",
            "mails?state=all",
            "mails/1",
            "hooks",
            "shadow",
            "shadow?since=2999-01-01",
            "shadow/1",
            "check",
            "config",
            "config?all=1",
            "nothing/here",
            "runs/99999",
        ];
        let mut all: Vec<String> = names.map(str::to_owned).to_vec();
        all.extend([
            format!("runs/{}", self.run),
            format!("refused/{}", self.refused),
        ]);
        all
    }
}

/// Writes them, as far as they can through calls.
pub(crate) async fn write(site: &Site, sidecar: &Sidecar) -> Rows {
    let email = [("email", "hostile@example.com"), ("first_name", HOSTILE)];
    let user = sidecar.client.execute(PLAIN_HOOK, &email).await;
    let refused = sidecar
        .client
        .call(PLAIN_HOOK, &[(HOSTILE, "x"), ("e-mail", "y@example.com")])
        .await;
    assert_eq!(refused.status, 423, "{}", refused.text());
    let record = format!(
        r#"a:2:{{s:5:"title";s:{}:"{HOSTILE}";s:13:"running_count";i:1;}}"#,
        HOSTILE.len()
    );
    let quoted = HOSTILE.replace('\'', "''");
    let json = serde_json::Value::from(format!("of hostile@example.com: {HOSTILE}"))
        .to_string()
        .replace('\\', "\\\\")
        .replace('\'', "''");
    site.execute(&format!(
        r#"UPDATE wp_users SET user_login = '{}', display_name = '{quoted}' WHERE ID = {user};
         UPDATE wp_fcom_meta SET value = '{}' WHERE id = 3;
         UPDATE wp_fcom_spaces SET title = '{quoted}' WHERE id = 1;
         REPLACE INTO wp_fcom_sidecar_mail (id, user_id, webhook_id, state, next_attempt_at, tried_since, last_error, created_at)
             VALUES (1, {user}, 3, 'dead', UTC_TIMESTAMP(), UTC_TIMESTAMP(), '550 <hostile@example.com>: {quoted}', UTC_TIMESTAMP());
         INSERT INTO wp_fcom_sidecar_events (user_id, kind, space_id, state, attempts, last_error, due_at, created_at)
             VALUES ({user}, 'joined', 1, 'dead', 10, 'of hostile@example.com: {quoted}', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3));
         INSERT INTO wp_fcom_sidecar_shadow (started_at, ended_at, webhook_id, user_id, verdict, sidecar_status, php_status, sidecar_ms,
                 php_ms, request_id, findings)
             VALUES (UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), 3, {user}, 'unexplained', 200, 200, 5, 83, 'r', '{{"agreed": [{json}], "beside": [{json}],
                 "unexplained": [{{"place": "wp_users.display_name", "sidecar": {json}, "php": null}}], "more": 3, "overlapped": true,
                 "uncompared": null}}')"#,
        &quoted[..40],
        record.replace('\'', "''"),
    ))
    .await;
    until("the refused call is not recorded", async || {
        site.number("SELECT COUNT(*) FROM wp_fcom_sidecar_refused")
            .await
            > 0
    })
    .await;
    let newest = async |table: &str| {
        let sql = format!("SELECT MAX(id) FROM wp_fcom_sidecar_{table}");
        site.text(&sql).await.unwrap()
    };
    Rows {
        run: newest("runs").await,
        refused: newest("refused").await,
    }
}
