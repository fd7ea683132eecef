//! Memberships for which PHP has left several rows, and the list of spaces that is rewritten when a member leaves.

use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

/// User 2, who is not a member of any space or course.
const KNOWN: &[(&str, &str)] = &[("email", "existing@example.com")];
const ANN: &[(&str, &str)] = &[("email", "ann@example.com")];
const ADMIN: &[(&str, &str)] = &[("email", "admin@example.com")];
/// User 7: active in spaces 1, 2, 3 and course 5, pending in space 4 and course 6.
const MEMBER: &[(&str, &str)] = &[("email", "memberships@example.com")];
/// User 9: a moderator of the whole community, active in spaces 1 and 3.
const MODERATOR: &[(&str, &str)] = &[("email", "globalmod@example.com")];
const SPACE_IDS: &str = "_fcom_space_ids";

async fn start() -> (Site, Sidecar) {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    (site, sidecar)
}

/// The user's rows in a space: id, state and role, and whether this call changed it.
async fn rows(site: &Site, user_id: u64, space_id: u64) -> Vec<String> {
    let sql = format!(
        "SELECT CONCAT_WS(' ', id, status, role, IF(updated_at = '2020-01-01 00:00:00', 'old', 'new'))
         FROM wp_fcom_space_user WHERE user_id = '{user_id}' AND space_id = {space_id} ORDER BY id"
    );
    site.column(&sql).await
}

/// Inserts rows for user 2 in space 2, from id 101 on, with these states and roles.
async fn insert_rows(site: &Site, rows: &[(&str, &str)]) {
    site.execute("DELETE FROM wp_fcom_space_user WHERE user_id = '2'")
        .await;
    for (id, (status, role)) in (101..).zip(rows) {
        site.execute(&format!(
            "INSERT INTO wp_fcom_space_user (id, space_id, user_id, status, role, created_at, updated_at)
             VALUES ({id}, 2, '2', {status}, '{role}', '2020-01-01 00:00:00', '2020-01-01 00:00:00')"
        ))
        .await;
    }
}

/// The user's list as stored, one entry per row.
async fn space_ids(site: &Site, user_id: u64) -> Vec<String> {
    let sql = format!(
        "SELECT meta_value FROM wp_usermeta WHERE user_id = {user_id} AND meta_key = '{SPACE_IDS}' ORDER BY umeta_id"
    );
    site.column(&sql).await
}

/// A list as PHP serialises it.
fn list(ids: &[u64]) -> String {
    let items = ids.iter().enumerate();
    let items: Vec<String> = items.map(|(key, id)| format!("i:{key};i:{id};")).collect();
    format!("a:{}:{{{}}}", ids.len(), items.concat())
}

#[tokio::test]
async fn only_the_first_of_several_rows_decides_about_joining() {
    let (site, sidecar) = start().await;
    site.set_plain_hook(&[("space_ids", &[2])]).await;
    for (before, after) in [
        (
            &[("'pending'", "member"), ("'active'", "admin")][..],
            &["101 active member new", "102 active admin old"][..],
        ),
        (
            &[("'active'", "member"), ("'pending'", "moderator")],
            &["101 active member old", "102 pending moderator old"],
        ),
        (
            &[("'blocked'", "moderator"), ("'blocked'", "member")],
            &["101 active moderator new", "102 blocked member old"],
        ),
        (&[("NULL", "instructor")], &["101 active member new"]),
        (&[("''", "student")], &["101 active member new"]),
    ] {
        insert_rows(&site, before).await;
        assert_eq!(sidecar.client.execute(PLAIN_HOOK, KNOWN).await, 2);
        assert_eq!(rows(&site, 2, 2).await, after, "{before:?}");
    }
}

/// PHP compares in PHP before it joins a space, and in SQL before it leaves one.
#[tokio::test]
async fn a_status_in_capitals_or_with_a_space_is_resumed_and_may_leave() {
    let (site, sidecar) = start().await;
    for status in ["'ACTIVE'", "'active '", "'Activé'"] {
        site.set_plain_hook(&[("space_ids", &[2])]).await;
        insert_rows(&site, &[(status, "moderator")]).await;
        sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
        assert_eq!(
            rows(&site, 2, 2).await,
            ["101 active moderator new"],
            "{status}"
        );

        site.set_plain_hook(&[("remove_space_ids", &[2])]).await;
        insert_rows(&site, &[(status, "moderator")]).await;
        sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
        assert_eq!(rows(&site, 2, 2).await, [""; 0], "{status}");
    }
    // The list is written when space 3 is left, before space 2 is resumed: to a query the user was a member all along.
    site.set_plain_hook(&[("remove_course_ids", &[3]), ("space_ids", &[2])])
        .await;
    insert_rows(&site, &[("'ACTIVE'", "member")]).await;
    site.execute("INSERT INTO wp_fcom_space_user (space_id, user_id) VALUES (3, '2')")
        .await;
    sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
    assert_eq!(space_ids(&site, 2).await, [list(&[1, 2, 4])]);
}

#[tokio::test]
async fn one_active_row_is_enough_to_leave_and_takes_all_rows_along() {
    let (site, sidecar) = start().await;
    site.set_plain_hook(&[("remove_space_ids", &[2])]).await;
    for (before, after) in [
        (
            &[("'pending'", "member"), ("'active'", "admin")][..],
            &[][..],
        ),
        (
            &[
                ("'active'", "member"),
                ("NULL", "member"),
                ("'active'", "moderator"),
            ],
            &[],
        ),
        (
            &[("'pending'", "member"), ("'blocked'", "member")],
            &["101 pending member old", "102 blocked member old"],
        ),
    ] {
        insert_rows(&site, before).await;
        assert_eq!(sidecar.client.execute(PLAIN_HOOK, KNOWN).await, 2);
        assert_eq!(rows(&site, 2, 2).await, after, "{before:?}");
    }
}

#[tokio::test]
async fn leaving_and_joining_again_in_one_call_leaves_one_new_row() {
    let (site, sidecar) = start().await;
    // The course lists are processed first, whatever their ids refer to.
    site.set_plain_hook(&[("remove_course_ids", &[2]), ("space_ids", &[2])])
        .await;
    insert_rows(&site, &[("'pending'", "admin"), ("'active'", "moderator")]).await;
    sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
    assert_eq!(rows(&site, 2, 2).await, ["103 active member new"]);

    site.set_plain_hook(&[("space_ids", &[2]), ("remove_space_ids", &[2])])
        .await;
    for status in ["'pending'", "'active'"] {
        insert_rows(&site, &[(status, "member")]).await;
        sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
        assert_eq!(rows(&site, 2, 2).await, [""; 0], "{status}");
    }
    sidecar.client.execute(PLAIN_HOOK, ANN).await;
    assert_eq!(rows(&site, 13, 2).await, [""; 0]);
}

/// Spaces 1 and 4 are public, 2 is secret, 3 and the courses 5, 6 and 7 are private; 8 and 9 are not spaces.
#[tokio::test]
async fn the_list_has_public_spaces_and_those_of_active_memberships() {
    let (site, sidecar) = start().await;
    for (leave, expected) in [
        // Leaving a public space does not hide it.
        (1, &[1, 2, 3, 4, 5][..]),
        (2, &[1, 3, 4, 5]),
        (5, &[1, 3, 4]),
        (3, &[1, 4]),
    ] {
        site.set_plain_hook(&[("remove_space_ids", &[leave])]).await;
        assert_eq!(sidecar.client.execute(PLAIN_HOOK, MEMBER).await, 7);
        assert_eq!(space_ids(&site, 7).await, [list(expected)], "after {leave}");
    }
    site.execute("UPDATE wp_fcom_spaces SET privacy = 'private' WHERE id <> 9; UPDATE wp_fcom_spaces SET privacy = NULL WHERE id = 4")
        .await;
    site.set_plain_hook(&[("space_ids", &[4]), ("remove_space_ids", &[4])])
        .await;
    sidecar.client.execute(PLAIN_HOOK, MEMBER).await;
    assert_eq!(space_ids(&site, 7).await, ["a:0:{}"]);
}

#[tokio::test]
async fn the_list_does_not_know_what_was_joined_after_the_last_leave() {
    let (site, sidecar) = start().await;
    for (lists, expected) in [
        // The course is removed first, then the spaces are added.
        (
            &[("remove_course_ids", &[5][..]), ("space_ids", &[2, 3])][..],
            &[1, 4][..],
        ),
        // The spaces are added before another one is removed.
        (
            &[
                ("course_ids", &[6]),
                ("space_ids", &[2, 3]),
                ("remove_space_ids", &[5]),
            ],
            &[1, 2, 3, 4, 6],
        ),
        // Each removal rewrites the list, and the last one counts.
        (
            &[
                ("remove_course_ids", &[5, 6]),
                ("space_ids", &[6, 2]),
                ("remove_space_ids", &[2]),
            ],
            &[1, 4, 6],
        ),
    ] {
        site.execute(
            "DELETE FROM wp_fcom_space_user WHERE user_id = '2'; \
             INSERT INTO wp_fcom_space_user (space_id, user_id, status) VALUES (5, '2', 'active')",
        )
        .await;
        site.set_plain_hook(lists).await;
        sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
        assert_eq!(space_ids(&site, 2).await, [list(expected)], "{lists:?}");
    }
    let joined =
        "SELECT space_id FROM wp_fcom_space_user WHERE user_id = '2' AND status = 'active'";
    assert_eq!(site.column(joined).await, ["6"]);
}

#[tokio::test]
async fn the_list_knows_a_space_where_another_row_was_active_before() {
    let (site, sidecar) = start().await;
    insert_rows(&site, &[("'pending'", "member"), ("'active'", "member")]).await;
    site.execute(
        "INSERT INTO wp_fcom_space_user (space_id, user_id, status) VALUES (5, '2', 'active')",
    )
    .await;
    site.set_plain_hook(&[("remove_course_ids", &[5]), ("space_ids", &[2, 3])])
        .await;
    sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
    assert_eq!(space_ids(&site, 2).await, [list(&[1, 2, 4])]);
}

#[tokio::test]
async fn nobody_who_leaves_nothing_gets_a_list() {
    let (site, sidecar) = start().await;
    site.set_plain_hook(&[
        ("course_ids", &[5]),
        ("space_ids", &[1, 2]),
        ("remove_space_ids", &[4, 6, 8, 999]),
    ])
    .await;
    // The first user is pending in 4 and 6, the second has no row there.
    for (member, id) in [(MEMBER, 7), (ANN, 13)] {
        assert_eq!(sidecar.client.execute(PLAIN_HOOK, member).await, id);
        assert_eq!(space_ids(&site, id).await, [""; 0]);
    }
    assert_eq!(rows(&site, 7, 4).await.len(), 1);
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn those_who_lead_the_community_or_the_site_see_every_space() {
    const EVERY: &[u64] = &[1, 2, 3, 4, 5, 6, 7];
    let (site, sidecar) = start().await;
    site.set_plain_hook(&[("course_ids", &[5]), ("remove_course_ids", &[5])])
        .await;
    let roles = "UPDATE wp_fcom_meta SET value = 'a:1:{i:0;s:";
    for (change, member, id, expected) in [
        (String::new(), MODERATOR, 9, EVERY),
        (format!("{roles}5:\"admin\";}}' WHERE id = 2"), MODERATOR, 9, EVERY),
        // Other roles lead only parts of the community.
        (format!("{roles}12:\"course_admin\";}}' WHERE id = 2"), MODERATOR, 9, &[1, 3, 4]),
        (String::new(), ADMIN, 1, EVERY),
        // A capability granted to the user directly.
        (
            "UPDATE wp_usermeta SET meta_value = 'a:1:{s:14:\"manage_options\";b:1;}'
             WHERE user_id = 2 AND meta_key = 'wp_capabilities'"
                .to_owned(),
            KNOWN,
            2,
            EVERY,
        ),
        (
            "UPDATE wp_usermeta SET meta_value = 'a:1:{s:6:\"editor\";b:1;}'
             WHERE user_id = 2 AND meta_key = 'wp_capabilities'"
                .to_owned(),
            KNOWN,
            2,
            &[1, 4],
        ),
        // What counts is the role as this site defines it.
        (
            "UPDATE wp_options SET option_value = REPLACE(option_value, 's:14:\"manage_options\";b:1', 's:14:\"manage_options\";b:0')
             WHERE option_name = 'wp_user_roles'"
                .to_owned(),
            ADMIN,
            1,
            &[1, 4],
        ),
    ] {
        site.execute(&format!("DO 0; {change}")).await;
        assert_eq!(sidecar.client.execute(PLAIN_HOOK, member).await, id);
        assert_eq!(space_ids(&site, id).await, [list(expected)], "{id} {change}");
    }
}

#[tokio::test]
async fn every_row_of_an_old_list_is_updated_in_place() {
    let (site, sidecar) = start().await;
    site.execute(&format!(
        "INSERT INTO wp_usermeta (umeta_id, user_id, meta_key, meta_value) VALUES
            (9001, 7, '{SPACE_IDS}', 'a:0:{{}}'), (9002, 7, '{SPACE_IDS}', '{}'), (9003, 8, '{SPACE_IDS}', 'other')",
        list(&[1, 3, 4, 5])
    ))
    .await;
    site.set_plain_hook(&[("remove_space_ids", &[2])]).await;
    sidecar.client.execute(PLAIN_HOOK, MEMBER).await;
    let stored = format!(
        "SELECT CONCAT_WS(' ', umeta_id, meta_value) FROM wp_usermeta WHERE meta_key = '{SPACE_IDS}' ORDER BY umeta_id"
    );
    let expected = list(&[1, 3, 4, 5]);
    assert_eq!(
        site.column(&stored).await,
        [
            format!("9001 {expected}"),
            format!("9002 {expected}"),
            "9003 other".to_owned()
        ]
    );
}
