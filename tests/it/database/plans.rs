//! What the server makes of the statements: none sorts rows or puts them into a temporary table, which costs more than finding
//! them, unless it is listed here with the reason.

use std::collections::BTreeSet;

use super::statements::plans;

/// Statements of single calls and of the tally.
const OF_CALLS: [&str; 42] = [
    "blog_membership",
    "cancel_scheduled_action",
    "claim",
    "community_roles",
    "course_email_sections",
    "delete_memberships",
    "earlier_runs",
    "facts",
    "free_claims",
    "insert_cache_event",
    "insert_event",
    "insert_mail",
    "insert_membership",
    "insert_run",
    "insert_scheduled_action",
    "insert_scheduled_action_group",
    "insert_scheduled_action_log",
    "insert_signed_call",
    "insert_user",
    "insert_usermeta",
    "insert_xprofile",
    "leftover_rows",
    "lock_user",
    "lock_user_count",
    "lock_webhook",
    "mark_tallied",
    "names_in_use",
    "names_taken",
    "pending_scheduled_actions",
    "profile_usermeta",
    "reactivate_membership",
    "run_by_call_id",
    "scheduled_action_group",
    "signed_call",
    "space_ids_of_user",
    "spaces_with_membership",
    "tally_options",
    "update_network_user_count",
    "update_usermeta",
    "update_user_count",
    "user_without_profile",
    "webhook_of_old_key",
];

/// Statements of calls that sort, or fill a temporary table, and what that costs. Without a measured cost none may be here. Times are
/// of the database's processor, on MariaDB 10.11.
const OF_CALLS_AND_MEASURED: [(&str, &str); 3] = [
    (
        "course_email_sections",
        "54 µs of 190 for twelve sections, and only where a structured course is joined",
    ),
    (
        "pending_scheduled_actions",
        "5 µs of 71, and only where a structured course is left",
    ),
    (
        "update_user_count",
        "30 µs for the one row of the count, and once for all calls that are counted together",
    ),
];

/// The other statements that do, and why they may.
const OCCASIONAL: [(&str, &str); 21] = [
    (
        "backlog",
        "at most 10,000 rows of each kind, every five seconds",
    ),
    (
        "due_event",
        "at most a hundred rows, before WordPress is woken",
    ),
    (
        "due_first_event",
        "one row for each user who waits, and only while a hundred events wait for others",
    ),
    ("events_by_state", "two rows, for operators"),
    ("failing_events", "at most 10,000 rows, for operators"),
    ("firing_events", "at most 10,000 rows, for operators"),
    (
        "forget_idempotency_keys",
        "by MySQL, which notes the rows before it changes what it found them by; 500, by housekeeping",
    ),
    ("give_up_events", "as forget_idempotency_keys"),
    ("give_up_mail", "as forget_idempotency_keys, and one row"),
    (
        "guard_seen",
        "a row for each level of the guard; there is one",
    ),
    ("highest_leftover", "six rows, twice a second"),
    (
        "hooks_backlog",
        "at most 10,000 rows of each kind, every five seconds",
    ),
    ("insert_network_user_count", "once for a network"),
    ("instances", "the daemons that run"),
    (
        "lease_mail",
        "by MySQL, as forget_idempotency_keys, and one row",
    ),
    ("lease_new_mail", "as lease_mail"),
    ("leased_mail", "one row"),
    (
        "overlapping_shadows",
        "the calls that run at the same time, and only in shadow mode",
    ),
    (
        "retry_dead_events",
        "by MySQL, as forget_idempotency_keys; for operators",
    ),
    (
        "retry_dead_mail",
        "by MySQL, as forget_idempotency_keys; for operators",
    ),
    (
        "webhook_targets",
        "for operators; a site has some dozens of spaces",
    ),
];

#[tokio::test]
async fn no_statement_sorts_or_fills_a_temporary_table() {
    let mut found = BTreeSet::new();
    for step in plans().await {
        for (sign, what) in [
            ("Using temporary", "a temporary table"),
            ("Using filesort", "a sort"),
        ] {
            if step.extra.contains(sign) {
                found.insert((step.statement, what));
            }
        }
        // Rows of a subquery in FROM, or of a UNION that does not send them on as they come.
        if matches!(step.select.as_str(), "DERIVED" | "UNION RESULT") {
            found.insert((step.statement, "a temporary table"));
        }
    }
    let measured = OF_CALLS_AND_MEASURED.map(|(statement, _)| statement);
    let occasional = OCCASIONAL.map(|(statement, _)| statement);
    for statement in occasional {
        assert!(
            !OF_CALLS.contains(&statement),
            "{statement} is executed for each call: its cost has to be measured"
        );
    }
    let unknown: Vec<_> = found
        .iter()
        .filter(|(statement, _)| !measured.contains(statement) && !occasional.contains(statement))
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}
