//! What plugins hear of a user of the network who becomes a member of one more site.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{BLOG_ID, MAIN, TWO, described, form, make, network, set_option};
use crate::sidecar::Sidecar;
use crate::site::PLAIN_HOOK;

#[tokio::test]
async fn plugins_hear_of_a_new_member_as_of_those_that_wordpress_adds() {
    let real = network().await;
    let root = real.installation.root();
    let plugins = root.join("wp-content/mu-plugins");
    fs::create_dir_all(&plugins).unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [
        "deploy/mu-plugin/fcom-sidecar.php",
        "tests/data/php/mu-plugins/recorder.php",
    ] {
        let source = sources.join(file);
        fs::copy(&source, plugins.join(source.file_name().unwrap())).unwrap();
    }
    let record = || {
        let text = fs::read_to_string(root.join("record")).unwrap_or_default();
        let _ = fs::remove_file(root.join("record"));
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<Value>>()
    };
    let sections = format!(
        "[wordpress]\nroot = \"{}\"\n[relay]\nenabled = true\n[mail]\ntransport = \"off\"",
        root.display()
    );
    let sidecar = Sidecar::start_configured(&real.site, &sections, &[(BLOG_ID, TWO.id)]).await;
    for role in ["editor", ""] {
        set_option(&real, TWO, "default_role", role).await;
        let [theirs, ours] = ["php", "rust"].map(|name| format!("{name}{role}"));
        let emails = [&theirs, &ours].map(|name| format!("{name}@example.com"));
        let forms = [form(&emails[0], &theirs), form(&emails[1], &ours)];
        let made = make(&real, MAIN, &forms).await;
        let [theirs, ours] = [0, 1].map(|index: usize| {
            let id = made[index]["user"]["ID"].as_str().unwrap();
            id.parse::<u64>().unwrap()
        });
        record();
        described(&real, TWO, &[], Some(theirs)).await;
        let expected = json!(record()).to_string();
        // The webhook has no spaces, so nothing else is told of him.
        let fields = [("email", emails[1].as_str())];
        assert_eq!(sidecar.client.execute(PLAIN_HOOK, &fields).await, ours);
        assert_eq!(record(), Vec::<Value>::new());
        let input = json!({ "path": TWO.path });
        let ran = real.php("relay_run", input).await;
        let hooks = if role.is_empty() { 2 } else { 3 };
        assert_eq!(ran, json!({ "done": hooks, "failed": 0, "more": false }));
        let got = json!(record()).to_string();
        assert_eq!(
            got.replace(&ours.to_string(), &theirs.to_string()),
            expected
        );
        assert!(got.contains("add_user_to_blog"), "{got}");
        sidecar.client.execute(PLAIN_HOOK, &fields).await;
        let input = json!({ "path": TWO.path });
        assert_eq!(real.php("relay_run", input).await["done"], 0);
    }
}
