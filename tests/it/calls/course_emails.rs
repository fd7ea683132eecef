//! E-mails of structured courses: the jobs that FluentCommunity Pro creates in Action Scheduler when a student enrols,
//! and removes when the student leaves.

use crate::harness::compare::Tokens;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

const HOOK: &str = "fluent_community/course/structured/send_notification_async";
/// Selects new jobs only: the fixtures' own jobs end at 7.
const NEW_JOBS: &str = "FROM wp_actionscheduler_actions WHERE action_id > 7";
/// Course 5 becomes a structured one. Its sections 102 and 103 send e-mails, a day and a month after the enrolment.
const STRUCTURED: &str = r#"
    UPDATE wp_fcom_spaces SET settings = 'a:1:{s:11:"course_type";s:10:"structured";}' WHERE id = 5;
    INSERT INTO wp_fcom_posts (id, type, space_id, reactions_count, meta) VALUES
        (101, 'course_section', 5, 0, 'a:1:{s:13:"email_enabled";s:3:"yes";}'),
        (102, 'course_section', 5, 1, 'a:1:{s:13:"email_enabled";s:3:"yes";}'),
        (103, 'course_section', 5, 30, 'a:2:{s:1:"x";i:1;s:13:"email_enabled";s:3:"yes";}'),
        (104, 'course_section', 5, 2, 'a:1:{s:13:"email_enabled";s:2:"no";}'),
        (105, 'course_section', 5, 2, 'a:0:{}'),
        (106, 'course_section', 5, 2, NULL),
        (107, 'course_lesson', 5, 2, 'a:1:{s:13:"email_enabled";s:3:"yes";}'),
        (108, 'course_section', 6, 2, 'a:1:{s:13:"email_enabled";s:3:"yes";}');"#;
const ENROL: &[(&str, &[u64])] = &[("course_ids", &[5, 6])];
const LEAVE: &[(&str, &[u64])] = &[("remove_course_ids", &[5, 6])];
const ANN: &[(&str, &str)] = &[("email", "ann@example.com")];
/// Pending in course 6, a student in course 5.
const MEMBER: &[(&str, &str)] = &[("email", "memberships@example.com")];

async fn start() -> (Site, Sidecar) {
    let site = Site::new("71").await;
    site.execute(STRUCTURED).await;
    site.set_plain_hook(ENROL).await;
    let sidecar = Sidecar::start(&site).await;
    (site, sidecar)
}

/// State and arguments of the new jobs, oldest first.
async fn jobs(site: &Site) -> Vec<String> {
    let sql = format!("SELECT CONCAT(status, ' ', args) {NEW_JOBS} ORDER BY action_id");
    site.column(&sql).await
}

#[tokio::test]
async fn a_student_gets_a_job_per_section_that_sends_an_email_later() {
    let (site, sidecar) = start().await;
    site.execute("UPDATE wp_options SET option_value = '5.5' WHERE option_name = 'gmt_offset'")
        .await;
    let since = site.now().await;
    let id = sidecar.client.execute(PLAIN_HOOK, ANN).await;
    let tokens = Tokens {
        since,
        until: site.now().await,
        wordpress: site.wordpress,
        password: None,
    };
    let expected = [102, 103].map(|section| format!("pending [{section},{id}]"));
    assert_eq!(jobs(&site).await, expected);
    let hooks = format!("SELECT DISTINCT hook {NEW_JOBS}");
    assert_eq!(site.column(&hooks).await, [HOOK]);

    // Counted from the stored time of the membership, on the site's clock. Action Scheduler itself ignores offsets.
    let dates = "SELECT a.action_id, a.scheduled_date_local, a.scheduled_date_gmt,
            m.created_at + INTERVAL IF(a.args LIKE '[102,%', 1, 30) DAY - INTERVAL 330 MINUTE
        FROM wp_actionscheduler_actions a JOIN wp_fcom_space_user m
        WHERE a.action_id > 7 AND m.user_id = '13' AND m.space_id = 5";
    for row in site.rows(dates).await {
        assert_eq!([&row[1], &row[2]], [&row[3]; 2], "{row:?}");
    }
    let logs = "SELECT message, log_date_gmt, log_date_local FROM wp_actionscheduler_logs \
                WHERE action_id > 7 GROUP BY action_id ORDER BY action_id";
    let logs = site.rows(logs).await;
    assert_eq!(logs.len(), 2);
    for log in logs {
        let [message, gmt, local] = <[_; 3]>::try_from(log).unwrap().map(Option::unwrap);
        assert_eq!(message, "action created");
        assert!(tokens.is_now(&gmt, 0), "{gmt}");
        assert_eq!(local, gmt);
    }
}

/// The columns that are the same for all jobs; `T` stands for the time in the schedule.
#[tokio::test]
async fn a_job_is_stored_to_the_byte_as_action_scheduler_stores_its_own() {
    let (site, sidecar) = start().await;
    sidecar.client.execute(PLAIN_HOOK, ANN).await;
    let shapes = "SELECT CONCAT_WS('|', status, priority, attempts, last_attempt_gmt, last_attempt_local, claim_id,
            extended_args IS NULL,
            REPLACE(HEX(schedule), HEX(CAST(TIMESTAMPDIFF(SECOND, '1970-01-01', scheduled_date_gmt) AS CHAR)), 'T'))
        FROM wp_actionscheduler_actions WHERE action_id >= 7 ORDER BY action_id";
    let shapes = site.column(shapes).await;
    let [recorded, first, second] = &shapes[..] else {
        panic!("{shapes:?}")
    };
    assert_eq!(recorded.matches('T').count(), 2, "{recorded}");
    assert_eq!([first, second], [recorded; 2]);
    let groups = format!(
        "SELECT DISTINCT slug FROM wp_actionscheduler_groups WHERE group_id IN (SELECT group_id {NEW_JOBS})"
    );
    assert_eq!(site.column(&groups).await, ["fluent-community"]);
}

#[tokio::test]
async fn the_group_is_made_once_where_there_is_none() {
    let (site, sidecar) = start().await;
    let group = "FROM wp_actionscheduler_groups WHERE slug = 'fluent-community'";
    site.execute(&format!("DELETE {group}")).await;
    sidecar.client.execute(PLAIN_HOOK, ANN).await;
    let bob = [("email", "bob@example.com")];
    sidecar.client.execute(PLAIN_HOOK, &bob).await;
    let made = site.column(&format!("SELECT group_id {group}")).await;
    let used = format!("SELECT DISTINCT group_id {NEW_JOBS}");
    assert_eq!((made.len(), site.column(&used).await), (1, made));
}

/// Daylight saving time begins in New York on 8 March 2037.
#[tokio::test]
async fn an_enrolment_that_is_resumed_counts_from_its_beginning_on_the_sites_clock() {
    let (site, sidecar) = start().await;
    site.execute(
        "UPDATE wp_options SET option_value = 'America/New_York' WHERE option_name = 'timezone_string'; \
         UPDATE wp_fcom_space_user SET status = 'pending', created_at = '2037-03-01 12:00:00' WHERE id = 5",
    )
    .await;
    sidecar.client.execute(PLAIN_HOOK, MEMBER).await;
    let dates = format!(
        "SELECT CONCAT_WS(' | ', args, scheduled_date_local, scheduled_date_gmt) {NEW_JOBS}"
    );
    assert_eq!(
        site.column(&dates).await,
        [
            "[101,7] | 2037-03-01 12:00:00 | 2037-03-01 17:00:00",
            "[102,7] | 2037-03-02 12:00:00 | 2037-03-02 17:00:00",
            "[103,7] | 2037-03-31 12:00:00 | 2037-03-31 16:00:00",
        ]
    );
    let logs = "SELECT DISTINCT TIMESTAMPDIFF(HOUR, log_date_local, log_date_gmt) IN (4, 5)
        FROM wp_actionscheduler_logs WHERE action_id > 7";
    assert_eq!(site.column(logs).await, ["1"]);
}

#[tokio::test]
async fn sections_that_were_due_before_send_nothing() {
    let (site, sidecar) = start().await;
    site.execute(
        "UPDATE wp_fcom_space_user SET status = 'pending', created_at = NOW() - INTERVAL 10 DAY WHERE id = 5",
    )
    .await;
    sidecar.client.execute(PLAIN_HOOK, MEMBER).await;
    assert_eq!(jobs(&site).await, ["pending [103,7]"]);
}

#[tokio::test]
async fn leaving_cancels_what_is_pending_and_enrolling_again_begins_anew() {
    let (site, sidecar) = start().await;
    let id = sidecar.client.execute(PLAIN_HOOK, ANN).await;
    let bob = [("email", "bob@example.com")];
    let other = sidecar.client.execute(PLAIN_HOOK, &bob).await;
    site.execute(&format!(
        "UPDATE wp_actionscheduler_actions SET status = 'complete' WHERE args = '[102,{id}]'"
    ))
    .await;
    site.set_plain_hook(LEAVE).await;
    sidecar.client.execute(PLAIN_HOOK, ANN).await;
    let mut expected = [
        format!("complete [102,{id}]"),
        format!("canceled [103,{id}]"),
        format!("pending [102,{other}]"),
        format!("pending [103,{other}]"),
    ]
    .to_vec();
    assert_eq!(jobs(&site).await, expected);
    let logs = "SELECT CONCAT(args, ' ', message) FROM wp_actionscheduler_logs l
        JOIN wp_actionscheduler_actions a USING (action_id) WHERE action_id > 7 AND message <> 'action created'";
    let canceled = format!("[103,{id}] action canceled");
    assert_eq!(site.column(logs).await, [canceled]);

    site.set_plain_hook(ENROL).await;
    sidecar.client.execute(PLAIN_HOOK, ANN).await;
    expected.extend([102, 103].map(|section| format!("pending [{section},{id}]")));
    assert_eq!(jobs(&site).await, expected);
}

#[tokio::test]
async fn joining_and_leaving_in_one_call_ends_without_a_pending_job() {
    let (site, sidecar) = start().await;
    site.set_plain_hook(&[("course_ids", &[5]), ("remove_course_ids", &[5])])
        .await;
    let id = sidecar.client.execute(PLAIN_HOOK, ANN).await;
    let expected = [102, 103].map(|section| format!("canceled [{section},{id}]"));
    assert_eq!(jobs(&site).await, expected);
}

#[tokio::test]
async fn a_course_named_among_the_spaces_sends_its_emails_too() {
    let (site, sidecar) = start().await;
    site.set_plain_hook(&[("space_ids", &[5])]).await;
    let id = sidecar.client.execute(PLAIN_HOOK, ANN).await;
    let expected = [102, 103].map(|section| format!("pending [{section},{id}]"));
    assert_eq!(jobs(&site).await, expected);
}

/// Each case differs from the tests above in one condition.
#[tokio::test]
async fn nobody_else_gets_a_job() {
    for (change, member) in [
        (
            "UPDATE wp_fcom_spaces SET settings = REPLACE(settings, 'structured', 'self_paced')",
            ANN,
        ),
        (
            "UPDATE wp_fcom_spaces SET type = 'community' WHERE id = 5",
            ANN,
        ),
        (
            "UPDATE wp_fcom_meta SET value = 'a:1:{s:13:\"course_module\";s:2:\"no\";}' WHERE id = 1",
            ANN,
        ),
        // An existing student is not enrolled again.
        ("", MEMBER),
        // A leader of the course does not remain a student.
        (
            "UPDATE wp_fcom_space_user SET status = 'pending', role = 'admin' WHERE id = 5",
            MEMBER,
        ),
    ] {
        let (site, sidecar) = start().await;
        site.execute(&format!("DO 0; {change}")).await;
        sidecar.client.execute(PLAIN_HOOK, member).await;
        assert_eq!(jobs(&site).await, [""; 0], "{change}");
    }
}
