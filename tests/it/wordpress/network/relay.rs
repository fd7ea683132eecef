//! The hooks that plugins receive on a network: each site's for its own members, in its own context.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{BLOG_ID, Blog, MAIN, RealSite, TWO, described, form, make, network, set_option};
use crate::harness::eventually::eventually;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK};

const SECRET: &str = "a secret that the network knows";
const ADDED: [&str; 3] = ["add_user_role", "set_user_role", "add_user_to_blog"];
const MADE: [&str; 3] = ["add_user_role", "set_user_role", "user_register"];

/// A network with the plugin, a recording plugin, and a persistent object cache.
async fn relayed() -> RealSite {
    let real = network().await;
    let root = real.installation.root();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let content = root.join("wp-content");
    fs::create_dir_all(content.join("mu-plugins")).unwrap();
    for (source, target) in [
        (
            "deploy/mu-plugin/fcom-sidecar.php",
            "mu-plugins/fcom-sidecar.php",
        ),
        (
            "tests/data/php/mu-plugins/recorder.php",
            "mu-plugins/recorder.php",
        ),
        (
            "tests/data/php/mu-plugins/community.php",
            "mu-plugins/community.php",
        ),
        (
            "tests/data/php/mu-plugins/object-cache.php",
            "object-cache.php",
        ),
    ] {
        fs::copy(sources.join(source), content.join(target)).unwrap();
    }
    let config = root.join("wp-config.php");
    let define = format!("<?php\ndefine( 'FCOM_SIDECAR_SECRET', '{SECRET}' );\n");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replacen("<?php\n", &define, 1)).unwrap();
    real
}

/// The daemon of this site, which wakes WordPress at `path`.
async fn serve(real: &RealSite, blog: Blog, path: &str) -> Sidecar {
    let url = format!("http://{}{path}", real.server.address);
    let environment = [
        (BLOG_ID, blog.id),
        ("FCOM_SIDECAR__RELAY__ENABLED", "true"),
        ("FCOM_SIDECAR__RELAY__URL", url.as_str()),
        ("FCOM_SIDECAR__RELAY__SECRET", SECRET),
        ("FCOM_SIDECAR__MAIL__TRANSPORT", "off"),
    ];
    real.sidecar_with(&environment).await
}

/// The content of one of the recorder's files, which is then emptied.
fn take(real: &RealSite, file: &str) -> Vec<Value> {
    let path = real.installation.root().join(file);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let _ = fs::remove_file(path);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn wait_until_fired(real: &RealSite, blog: Blog) {
    let pending = format!(
        "SELECT COUNT(*) FROM {}fcom_sidecar_events WHERE state <> 'done'",
        blog.prefix
    );
    let errors = format!("SELECT last_error FROM {}fcom_sidecar_events", blog.prefix);
    eventually(async || match real.site.number(&pending).await {
        0 => Ok(()),
        _ => Err(format!("{:?}", real.site.column(&errors).await)),
    })
    .await;
}

fn names(hooks: &[Value]) -> Vec<&str> {
    let names = hooks.iter();
    names.map(|hook| hook["hook"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_site_hears_of_its_own_members_in_its_own_context() {
    let real = relayed().await;
    // Before WordPress has cached it.
    set_option(&real, MAIN, "default_role", "").await;
    for (blog, home, roles) in [(TWO, MAIN, &["subscriber"][..]), (MAIN, TWO, &[])] {
        // Without a role no role hook fires.
        let silent = usize::from(roles.is_empty());
        let sidecar = serve(&real, blog, blog.path).await;
        let logins = ["annphp", "annrust"].map(|name| format!("{name}{}", blog.id));
        let emails = logins.each_ref().map(|name| format!("{name}@example.com"));
        let forms = [form(&emails[0], &logins[0]), form(&emails[1], &logins[1])];
        let made = make(&real, home, &forms).await;
        let [theirs, ours] =
            [0, 1].map(|index: usize| made[index]["user"]["ID"].as_str().unwrap().parse().unwrap());
        take(&real, "record");
        // As WordPress adds a user; from now on both are in the cache.
        let both = described(&real, blog, &[theirs, ours], Some(theirs)).await;
        assert_eq!(
            (&both[0]["member"], &both[1]["member"]),
            (&json!(true), &json!(false))
        );
        let of_php = take(&real, "record");
        assert_eq!(names(&of_php), ADDED[silent..]);
        take(&real, "ground");

        let fields = [("email", emails[1].as_str())];
        assert_eq!(sidecar.client.execute(SPACES_HOOK, &fields).await, ours);
        wait_until_fired(&real, blog).await;
        let heard = take(&real, "record");
        let expected = json!(of_php)
            .to_string()
            .replace(&theirs.to_string(), &ours.to_string());
        assert_eq!(json!(heard[..3 - silent]).to_string(), expected);
        assert_eq!(
            names(&heard[3 - silent..]),
            ["fluent_community/space/joined"; 3]
        );
        // Through the cache.
        let added = &described(&real, blog, &[ours], None).await[0];
        assert_eq!(
            (&added["member"], &added["roles"]),
            (&json!(true), &json!(roles))
        );

        // An existing member is not added again, and a new user is not added at all.
        sidecar.client.execute(SPACES_HOOK, &fields).await;
        let email = format!("new{}@example.com", blog.id);
        let fields = [("email", email.as_str())];
        sidecar.client.execute(PLAIN_HOOK, &fields).await;
        wait_until_fired(&real, blog).await;
        assert_eq!(names(&take(&real, "record")), MADE[silent..]);
        let id: u64 = blog.id.parse().unwrap();
        for ground in take(&real, "ground") {
            assert_eq!((&ground["blog"], &ground["user"]), (&json!(id), &json!(0)));
        }
    }
    // No event of one site was left to the other.
    for (blog, count) in [(MAIN, 7), (TWO, 9)] {
        let events = format!("SELECT COUNT(*) FROM {}fcom_sidecar_events", blog.prefix);
        assert_eq!(real.site.number(&events).await, count);
    }
}

/// Listeners switch sites, some end PHP meanwhile, and the record is still the right site's.
#[tokio::test]
async fn a_listener_that_switches_to_another_site_takes_nobody_along() {
    let real = relayed().await;
    let sidecar = serve(&real, TWO, TWO.path).await;
    let events = format!("{}fcom_sidecar_events", TWO.prefix);
    let trouble = real.installation.root().join("trouble.json");
    for (how, ended) in [
        ("mess", "state = 'done' AND interrupted = 0"),
        (
            "mess_exit",
            "state = 'pending' AND interrupted = 1 AND last_error = 'a listener ended PHP'",
        ),
    ] {
        let how_to = json!({ "user": "anybody", "hook": "add_user_role", "how": how });
        fs::write(&trouble, how_to.to_string()).unwrap();
        let email = format!("{how}@example.com");
        let fields = [("email", email.as_str())];
        let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
        let ended = format!(
            "SELECT COUNT(*) FROM {events} WHERE user_id = {id} AND kind = 'add_user_role' AND {ended}"
        );
        real.site.comes(&ended).await;
        fs::remove_file(&trouble).unwrap();
    }
    real.site
        .execute(&format!("UPDATE {events} SET due_at = UTC_TIMESTAMP(3)"))
        .await;
    real.php("relay_run", json!({ "path": TWO.path })).await;
    wait_until_fired(&real, TWO).await;
    assert_eq!(take(&real, "record").len(), 7);
    for ground in take(&real, "ground") {
        assert_eq!(
            (&ground["blog"], &ground["locale"]),
            (&json!(2), &json!("en_US"))
        );
    }
}

#[tokio::test]
async fn check_says_when_another_site_is_woken() {
    let real = relayed().await;
    let sidecar = serve(&real, TWO, MAIN.path).await;
    sidecar.run(&["check", "--json"]);
    let said = "the plugin looks at wpx_fcom_sidecar_events, not at wpx_2_fcom_sidecar_events";
    assert!(sidecar.log().contains(said), "{}", sidecar.log());
}
