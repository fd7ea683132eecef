//! The promise of a welcome mail: in our outbox or in Action Scheduler, for new users only, in the call's transaction.

use crate::harness::client::FORM;
use crate::harness::compare::Tokens;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, Site, target};

const ANN: &[(&str, &str)] = &[("email", "ann@example.com")];
/// Counts new jobs only: the fixtures' own jobs end at 7.
const JOBS: &str = "SELECT COUNT(*) FROM wp_actionscheduler_actions WHERE action_id > 7";
const OUTBOX: &str =
    "SELECT CONCAT_WS(' ', user_id, webhook_id, https) FROM wp_fcom_sidecar_mail ORDER BY id";

async fn start(transport: &str) -> (Site, Sidecar) {
    let site = Site::new("71").await;
    let environment = [("FCOM_SIDECAR__MAIL__TRANSPORT", transport)];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    (site, sidecar)
}

/// Calls that promise no mail: a webhook without one, an existing user, and a user who has been created meanwhile.
async fn call_without_mail(sidecar: &Sidecar) {
    for (hook, email) in [
        (SPACES_HOOK, "silent@example.com"),
        (PLAIN_HOOK, "existing@example.com"),
        (PLAIN_HOOK, "silent@example.com"),
    ] {
        sidecar.client.execute(hook, &[("email", email)]).await;
    }
}

#[tokio::test]
async fn the_outbox_gets_one_row_per_new_user() {
    let (site, sidecar) = start("smtp").await;
    call_without_mail(&sidecar).await;
    assert_eq!(site.column(OUTBOX).await, [""; 0]);
    for _ in 0..2 {
        sidecar.client.execute(PLAIN_HOOK, ANN).await;
    }
    assert_eq!(site.column(OUTBOX).await, ["14 3 1"]);
    assert_eq!(site.number(JOBS).await, 0);
}

/// WordPress derives the scheme of the mail's links from the request.
#[tokio::test]
async fn the_outbox_remembers_https_as_a_trusted_proxy_tells_it() {
    for (trusted, expected) in [("127.0.0.0/8", "1"), ("192.0.2.1", "0")] {
        let site = Site::new("71").await;
        let environment = [("FCOM_SIDECAR__SERVER__TRUSTED_PROXIES", trusted)];
        let sidecar = Sidecar::start_with(&site, &environment).await;
        for (proto, email, https) in [
            ("https", "a@example.com", expected),
            ("http", "b@example.com", "0"),
            ("", "c@example.com", "0"),
        ] {
            let headers = [("Content-Type", FORM), ("X-Forwarded-Proto", proto)];
            let headers = &headers[..if proto.is_empty() { 1 } else { 2 }];
            let body = format!("email={email}");
            let target = target(PLAIN_HOOK);
            let response = sidecar
                .client
                .request("POST", &target, headers, body.as_bytes());
            assert_eq!(response.await.status, 200);
            let last = "SELECT https FROM wp_fcom_sidecar_mail ORDER BY id DESC LIMIT 1";
            assert_eq!(
                site.text(last).await.as_deref(),
                Some(https),
                "{trusted} {proto}"
            );
        }
    }
}

#[tokio::test]
async fn wordpress_gets_one_job_per_new_user_and_the_outbox_none() {
    let (site, sidecar) = start("wordpress").await;
    site.execute("UPDATE wp_options SET option_value = '-3.5' WHERE option_name = 'gmt_offset'")
        .await;
    call_without_mail(&sidecar).await;
    assert_eq!(site.number(JOBS).await, 0);
    let since = site.now().await;
    for _ in 0..2 {
        sidecar.client.execute(PLAIN_HOOK, ANN).await;
    }
    let tokens = Tokens {
        since,
        until: site.now().await,
        wordpress: site.wordpress,
        password: None,
    };
    let job = "SELECT CONCAT_WS('|', hook, status, priority, args, schedule, group_id, attempts, last_attempt_gmt,
            last_attempt_local, claim_id, extended_args IS NULL),
            scheduled_date_gmt, scheduled_date_local, message, log_date_gmt, log_date_local
        FROM wp_actionscheduler_actions a LEFT JOIN wp_actionscheduler_logs l USING (action_id) WHERE action_id > 7";
    let jobs = site.rows(job).await;
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let [job, gmt, local, message, log_gmt, log_local] = <[_; 6]>::try_from(jobs[0].clone())
        .unwrap()
        .map(Option::unwrap);
    assert_eq!(
        job,
        r#"fluent_community/send_new_user_notification|pending|10|[14]|O:28:"ActionScheduler_NullSchedule":0:{}|1|0|0000-00-00 00:00:00|0000-00-00 00:00:00|0|1"#
    );
    assert_eq!(message, "action created");
    // Action Scheduler ignores offsets: without a named zone, its local dates are in UTC.
    for date in [gmt, local, log_gmt, log_local] {
        assert!(tokens.is_now(&date, 0), "{date}");
    }
    assert_eq!(site.column(OUTBOX).await, [""; 0]);
}

#[tokio::test]
async fn a_user_whose_mail_cannot_be_promised_is_not_made() {
    for (transport, table) in [
        ("wordpress", "wp_actionscheduler_logs"),
        ("smtp", "wp_fcom_sidecar_mail"),
    ] {
        let (site, sidecar) = start(transport).await;
        site.execute(&format!("RENAME TABLE {table} TO gone")).await;
        let response = sidecar.client.call(PLAIN_HOOK, ANN).await;
        assert_eq!(response.status, 503, "{}", response.text());
        let users = site.number("SELECT MAX(ID) FROM wp_users").await;
        assert_eq!((users, site.number(JOBS).await), (site.last_user, 0));
        site.execute(&format!("RENAME TABLE gone TO {table}")).await;
        sidecar.client.execute(PLAIN_HOOK, ANN).await;
    }
}

/// PHP's default holds only where the record does not mention the mail.
#[tokio::test]
async fn a_record_with_null_for_the_mail_promises_none() {
    let (site, sidecar) = start("smtp").await;
    for (record, mails) in [
        (r#"a:1:{s:21:"send_wp_welcome_email";N;}"#, 0),
        (r#"a:1:{s:5:"title";s:4:"Hook";}"#, 1),
    ] {
        site.execute(&format!(
            "UPDATE wp_fcom_meta SET value = '{record}' WHERE meta_key = '{PLAIN_HOOK}'"
        ))
        .await;
        let email = format!("user{mails}@example.com");
        sidecar
            .client
            .execute(PLAIN_HOOK, &[("email", &email)])
            .await;
        assert_eq!(site.column(OUTBOX).await.len(), mails, "{record}");
    }
}

#[tokio::test]
async fn nobody_is_promised_a_mail_when_it_is_off() {
    let (site, sidecar) = start("off").await;
    sidecar.client.execute(PLAIN_HOOK, ANN).await;
    assert_eq!(site.number(JOBS).await, 0);
    assert_eq!(site.column(OUTBOX).await, [""; 0]);
}
