//! The command line: it takes names instead of ids, and shows no key unless asked to.

use super::{command, record};
use crate::harness::management::start;
use crate::harness::site::{MEMBERS_HOOK, Site};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_names_things_and_keeps_keys_to_itself() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    site.execute("UPDATE wp_fcom_spaces SET title = 'Twin' WHERE id IN (3, 4)")
        .await;
    for arguments in [
        &["webhook", "list"][..],
        &["webhook", "list", "--json"],
        &["webhook", "show", "4"],
        &["webhook", "show", "4", "--json"],
        &["webhook", "update", "4", "--title", "Renamed", "--json"],
    ] {
        let output = command(&sidecar, arguments);
        assert!(!output.contains(MEMBERS_HOOK), "{arguments:?}: {output}");
    }
    let card = command(&sidecar, &["webhook", "show", "4"]);
    assert!(
        card.contains("Renamed") && card.contains("1 (Space 1), 2 (Space 2)"),
        "{card}"
    );
    let list = command(&sidecar, &["webhook", "list", "--search", "Renamed"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    for (arguments, said) in [
        (
            &["webhook", "create", "--title", "x", "--space", "twin"][..],
            "space-4",
        ),
        (
            &["webhook", "create", "--title", "x", "--space", "Course 1"],
            "there is no space",
        ),
        (&["webhook", "create", "--title", " "], "--title is empty"),
        (
            &["webhook", "update", "99", "--title", "x"],
            "there is no webhook 99",
        ),
        (&["webhook", "show", "99"], "webhook list"),
        (&["webhook", "delete", "99"], "there is no webhook 99"),
    ] {
        let (succeeded, _, errors) = sidecar.output(arguments);
        assert!(
            !succeeded && errors.contains(said),
            "{arguments:?}: {errors}"
        );
    }
    assert_eq!(site.webhooks().await.len(), 8);
    command(
        &sidecar,
        &[
            "webhook",
            "update",
            "4",
            "--space",
            "",
            "--welcome-email",
            "no",
        ],
    );
    let emptied = record(&site, 4).await;
    assert!(
        emptied.contains(r#"s:9:"space_ids";a:0:{}"#) && emptied.contains(r#"s:2:"no";"#),
        "{emptied}"
    );
    command(&sidecar, &["webhook", "delete", "4"]);
    assert_eq!(site.webhooks().await.len(), 7);
}
