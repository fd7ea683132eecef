use serde_json::{Value, json};

use super::*;
use crate::provision::plan::{MailPlan, NoMail};
use crate::provision::rehearsal::Subject;
use crate::provision::shadow::agreed::LONG_PASSWORD;
use crate::provision::shadow::findings::Mask;
use crate::provision::shadow::scene::{Circumstances, Overlaps, Password, Planned};

const HOOK: &str = "a:2:{s:5:\"title\";s:4:\"Hook\";s:13:\"running_count\";i:41;}";
const NOON: &str = "2026-11-27 12:00:00";
const LATER: &str = "2026-11-27 12:00:01";

/// The rows of a new member with this id, and of the webhook after so many runs.
fn rows(id: u64, time: &str, runs: u64) -> Vec<Seen> {
    let seen = |name, rows: Value| Seen {
        name,
        table: format!("wp_{name}"),
        rows: Some(serde_json::from_value(rows).unwrap()),
    };
    let meta = |key: &str, value: &str| json!({ "umeta_id": id * 10, "user_id": id, "meta_key": key, "meta_value": value });
    vec![
        seen(
            "users",
            json!([{ "ID": id, "user_login": "ann", "user_pass": "hash", "user_registered": time, "user_activation_key": "" }]),
        ),
        seen(
            "usermeta",
            json!([meta("nickname", "ann"), meta("rich_editing", "true")]),
        ),
        seen(
            "fcom_space_user",
            json!([{ "id": id, "space_id": 2, "user_id": id.to_string(), "role": "member", "created_at": time }]),
        ),
        seen(
            "fcom_meta",
            json!([{ "id": 3, "meta_key": "key", "value": HOOK.replace("41", &runs.to_string()), "updated_at": time }]),
        ),
        seen(
            "options",
            json!([{ "option_id": 1, "option_name": "user_count", "option_value": "13" }]),
        ),
    ]
}

fn none() -> Vec<Seen> {
    let mut none = rows(7, "2026-01-01 00:00:00", 41);
    for seen in &mut none[..3] {
        seen.rows = Some(Vec::new());
    }
    none
}

/// What is found where PHP has left these rows.
fn compared(found: &[Seen], change: impl FnOnce(&mut Circumstances)) -> Findings {
    compared_with((&none(), &rows(7, NOON, 42)), found, change)
}

fn compared_with(
    (before, after): (&[Seen], &[Seen]),
    found: &[Seen],
    change: impl FnOnce(&mut Circumstances),
) -> Findings {
    let subject = Subject::new(7, 3, Vec::new());
    let mut circumstances = Circumstances {
        user_id: 8,
        seconds: 3,
        password: Password::NotSent,
        overlaps: Overlaps::default(),
        has_relay: false,
        is_network: false,
    };
    change(&mut circumstances);
    let comparison = Comparison {
        planned: Planned {
            subject: &subject,
            before,
            after,
            is_new: true,
            welcome_mail: MailPlan::None(NoMail::NotWanted),
        },
        found,
        circumstances,
        mask: &Mask::of([]),
    };
    let mut findings = Findings::default();
    comparison.run(&mut findings);
    findings
}

fn places(findings: &Findings) -> Vec<&str> {
    let differences = findings.unexplained.iter();
    differences.map(|one| one.place.as_str()).collect()
}

/// PHP's rows with one change.
fn with(change: impl FnOnce(&mut Vec<Seen>)) -> Vec<Seen> {
    let mut found = rows(8, LATER, 42);
    change(&mut found);
    found
}

fn of(seen: &mut Seen) -> &mut Vec<ShownRow> {
    seen.rows.as_mut().unwrap()
}

#[test]
fn ids_and_times_of_the_call_do_not_count() {
    assert_eq!(compared(&rows(8, LATER, 42), |_| {}), Findings::default());
    let late = compared(&rows(8, "2026-11-27 12:00:09", 42), |_| {});
    assert_eq!(
        places(&late),
        [
            "wp_users.user_registered",
            "wp_fcom_space_user: space 2, created_at",
            "wp_fcom_meta.updated_at"
        ]
    );
}

/// Planned for member 7, whom PHP made as 8.
#[test]
fn a_job_keeps_its_section_where_that_has_the_digits_of_the_member() {
    let job = |member: u64, time: &str| {
        let rows = json!([{ "action_id": member, "hook": "send", "args": format!("[17,{member}]"), "scheduled_date_gmt": time }]);
        Seen {
            name: "actionscheduler_actions",
            table: "wp_actionscheduler_actions".to_owned(),
            rows: Some(serde_json::from_value(rows).unwrap()),
        }
    };
    let before = Seen {
        rows: Some(Vec::new()),
        ..job(7, NOON)
    };
    let table = (vec![before], vec![job(7, NOON)], vec![job(8, LATER)]);
    let (before, after, found) = table;
    let findings = compared_with((&before, &after), &found, |_| {});
    assert_eq!(findings, Findings::default());
}

/// By an operator, while PHP executes the call.
#[test]
fn a_key_that_is_replaced_meanwhile_is_no_difference_and_is_not_kept() {
    let found = with(|found| of(&mut found[3])[0]["meta_key"] = "new-key".into());
    assert_eq!(compared(&found, |_| {}), Findings::default());
}

#[test]
fn each_difference_has_its_place() {
    for (found, place) in [
        (
            with(|found| of(&mut found[0])[0]["user_login"] = "bob".into()),
            "wp_users.user_login",
        ),
        (with(|found| of(&mut found[0]).clear()), "wp_users"),
        (
            with(|found| of(&mut found[0])[0]["user_activation_key"] = "k".into()),
            "wp_users.user_activation_key",
        ),
        (
            with(|found| drop(of(&mut found[1]).pop())),
            "wp_usermeta: rich_editing",
        ),
        (
            with(|found| of(&mut found[1])[0]["meta_value"] = "bob".into()),
            "wp_usermeta: nickname",
        ),
        (
            with(|found| of(&mut found[2]).clear()),
            "wp_fcom_space_user: space 2",
        ),
        (
            with(|found| of(&mut found[2])[0]["role"] = "admin".into()),
            "wp_fcom_space_user: space 2, role",
        ),
        (
            with(|found| of(&mut found[2])[0]["user_id"] = "9".into()),
            "wp_fcom_space_user: space 2, user_id",
        ),
        (
            with(|found| of(&mut found[3])[0]["value"] = HOOK.into()),
            "wp_fcom_meta.running_count",
        ),
        (
            with(|found| {
                of(&mut found[3])[0]["value"] =
                    HOOK.replace("Hook", "Edit").replace("41", "42").into();
            }),
            "wp_fcom_meta.value",
        ),
        (
            with(|found| of(&mut found[4])[0]["option_value"] = "12".into()),
            "wp_options: user_count",
        ),
    ] {
        assert_eq!(places(&compared(&found, |_| {})), [place]);
    }
    let twice = with(|found| {
        let row = of(&mut found[2])[0].clone();
        of(&mut found[2]).push(row);
    });
    assert_eq!(
        places(&compared(&twice, |_| {})),
        ["wp_fcom_space_user: space 2"]
    );
}

#[test]
fn rows_and_columns_of_others_are_named() {
    let found = with(|found| {
        let mut row = of(&mut found[1])[0].clone();
        row["meta_key"] = "points".into();
        of(&mut found[1]).push(row);
    });
    assert_eq!(compared(&found, |_| {}).beside, ["wp_usermeta: points"]);
    let role = with(|found| {
        let mut row = of(&mut found[1])[0].clone();
        row["meta_key"] = "wp_capabilities".into();
        of(&mut found[1]).push(row);
    });
    assert_eq!(
        places(&compared(&role, |_| {})),
        ["wp_usermeta: wp_capabilities"]
    );
}

#[test]
fn what_other_calls_change_meanwhile_is_told_apart() {
    let shared = |circumstances: &mut Circumstances| {
        circumstances.overlaps = Overlaps {
            any: true,
            webhook: true,
            member: false,
        };
    };
    assert_eq!(compared(&rows(8, LATER, 45), shared), Findings::default());
    assert_eq!(compared(&rows(8, LATER, 41), shared).agreed, [COUNT]);
    assert_eq!(
        places(&compared(&rows(8, LATER, 45), |_| {})),
        ["wp_fcom_meta.running_count"]
    );
    let more = with(|found| of(&mut found[4])[0]["option_value"] = "15".into());
    assert_eq!(compared(&more, |_| {}), Findings::default());
}

#[test]
fn a_password_is_tried_and_no_hash_is_kept() {
    let wrong = compared(&rows(8, LATER, 42), |one| {
        one.password = Password::DoesNotOpen;
    });
    assert_eq!(places(&wrong), ["wp_users.user_pass"]);
    assert!(!format!("{wrong:?}").contains("\"hash\""));
    let long = compared(&rows(8, LATER, 42), |one| one.password = Password::TooLong);
    assert_eq!(long.agreed, [LONG_PASSWORD]);
}
