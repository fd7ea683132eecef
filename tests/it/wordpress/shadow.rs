//! Shadow mode before a real WordPress, with a stand-in for FluentCommunity's handler that does what the recordings show.

mod cost;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;

use serde_json::Value;

use super::installation::Installation;
use super::php::Server;
use super::{PREFIX, release};
use crate::harness::eventually::eventually;
use crate::harness::original::Original;
use crate::harness::recording::{Deviation, Recording};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{
    FIXTURES, MEMBERS_HOOK, PLAIN_HOOK, PREFIX as OF_FIXTURES, SPACES_HOOK, Site,
};

/// A site whose calls PHP executes.
struct Shadowed {
    site: Site,
    installation: Installation,
    sidecar: Sidecar,
    _server: Server,
}

/// The recorded site of the installed release, with its own users and the stand-in.
async fn community() -> (Site, Installation) {
    let installed = release::version();
    let is_not_newer = |wordpress: &str| {
        let mut numbers = wordpress.split('.').map(|part| part.parse().unwrap());
        release::is_since(numbers.next().unwrap(), numbers.next().unwrap())
    };
    let mut known = FIXTURES.iter().rev();
    let fixture = known.find(|fixture| is_not_newer(fixture.wordpress));
    let fixture = fixture.unwrap_or_else(|| panic!("no site of WordPress {installed}"));
    let site = Site::new(fixture.name).await;
    let installation = Installation::on(&site.server, &site.database, "");
    let root = installation.root();
    let file = root.join("wp-config.php");
    let text = fs::read_to_string(&file).unwrap();
    let [ours, theirs] = [PREFIX, OF_FIXTURES].map(|prefix| format!("$table_prefix = '{prefix}'"));
    fs::write(&file, text.replace(&ours, &theirs)).unwrap();
    let plugins = root.join("wp-content/mu-plugins");
    fs::create_dir_all(&plugins).unwrap();
    let handler = include_str!("../../data/php/mu-plugins/handler.php");
    fs::write(plugins.join("handler.php"), handler).unwrap();
    let reserved = include_str!("../../../src/fluentcommunity/reserved_usernames.txt");
    fs::write(root.join("reserved"), reserved).unwrap();
    (site, installation)
}

/// A sidecar in shadow mode before the PHP at this address.
async fn shadow(site: &Site, php: SocketAddr) -> Sidecar {
    let php = format!("http://{php}");
    let options = [
        ("FCOM_SIDECAR__SHADOW__ENABLED", "true"),
        ("FCOM_SIDECAR__SHADOW__PHP", php.as_str()),
    ];
    Sidecar::start_with(site, &options).await
}

impl Shadowed {
    async fn new() -> Self {
        let (site, installation) = community().await;
        let server = Server::start(installation.root()).await;
        let sidecar = shadow(&site, server.address).await;
        Self {
            site,
            installation,
            sidecar,
            _server: server,
        }
    }

    /// Has the handler do this wrong from now on.
    fn does_wrong(&self, what: &str) {
        fs::write(self.installation.root().join("wrong"), what).unwrap();
    }

    /// Verdict and findings of the call after the one with this number, once it has been compared.
    async fn compared(&self, after: u64) -> (u64, String, Value) {
        eventually(async || {
            let sql = format!(
                "SELECT id, verdict, COALESCE(findings, '{{}}') FROM wp_fcom_sidecar_shadow \
                 WHERE id > {after} AND verdict IS NOT NULL ORDER BY id LIMIT 1"
            );
            let row = self.site.rows(&sql).await.pop().ok_or("not compared")?;
            let [id, verdict, findings] = <[_; 3]>::try_from(row).unwrap().map(Option::unwrap);
            Ok::<_, &str>((
                id.parse().unwrap(),
                verdict,
                serde_json::from_str(&findings).unwrap(),
            ))
        })
        .await
    }

    fn report(&self) -> Value {
        let (worked, said, complained) = self.sidecar.output(&["shadow", "report", "--json"]);
        assert!(worked, "{complained}");
        serde_json::from_str(&said).unwrap()
    }
}

fn places(findings: &Value) -> Vec<&str> {
    let differences = findings["unexplained"].as_array();
    let differences = differences.map_or(&[][..], Vec::as_slice);
    differences
        .iter()
        .map(|one| one["place"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_case_is_equal_or_differs_as_documented() {
    let deviations: BTreeMap<String, Deviation> =
        serde_json::from_str(include_str!("../../data/deviations.json")).unwrap();
    let shadowed = Shadowed::new().await;
    let site = &shadowed.site;
    let fixture = FIXTURES.iter().find(|one| one.wordpress == site.wordpress);
    let recording = Recording::of(fixture.unwrap().name);
    let original = Original::of(site).await;
    let (mut failures, mut last, mut calls) = (Vec::new(), 0, 0);
    for case in &recording.cases {
        for statement in &case.setup {
            site.execute(statement).await;
        }
        for (request, expected) in case.requests.iter().zip(&case.expected.responses) {
            let response = request.send(&shadowed.sidecar.client).await;
            if expected["status"] == 404 {
                // Not recorded: the next one is compared with its own expectation.
                assert_eq!(response.status, 404, "{}", case.name);
                continue;
            }
            calls += 1;
            let (id, verdict, findings) = shadowed.compared(last).await;
            last = id;
            let expects = match case.name.as_str() {
                name if deviations.contains_key(name) => "agreed",
                // Markdown, which the stand-in does not know.
                "existing user with description" => "agreed",
                _ => "equal",
            };
            if verdict != expects || expected["status"] != response.status {
                failures.push(format!(
                    "{}: {} {verdict}: {findings}",
                    case.name, response.status
                ));
            }
        }
        original.restore(site, std::iter::empty()).await;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let lenient = format!("{PLAIN_HOOK}%20");
    let fields = [("email", "new@example.com")];
    let answer = shadowed.sidecar.client.call(&lenient, &fields).await;
    let (_, verdict, findings) = shadowed.compared(last).await;
    assert_eq!((answer.status, &*verdict), (200, "agreed"), "{findings}");
    let line = "Webhook keys are compared byte for byte.";
    assert_eq!(findings["agreed"], serde_json::json!([line]));
    calls += 1;
    let report = shadowed.report();
    assert_eq!(
        (
            &report["calls"],
            &report["unexplained"],
            &report["uncompared"]
        ),
        (&calls.into(), &0.into(), &0.into()),
        "{report}"
    );
    let kept = site
        .column("SELECT findings FROM wp_fcom_sidecar_shadow WHERE findings IS NOT NULL")
        .await;
    assert!(!kept.concat().contains("new@example.com"));
    // Nothing of the sidecar's own work.
    for table in ["runs", "mail", "events", "refused"] {
        assert_eq!(
            site.number(&format!("SELECT COUNT(*) FROM wp_fcom_sidecar_{table}"))
                .await,
            0
        );
    }
}

/// What is wrong, the webhook that shows it, and where it is found.
const WRONG: [(&str, &str, &str); 14] = [
    ("role", PLAIN_HOOK, "wp_usermeta: wp_capabilities"),
    (
        "a meta row too few",
        PLAIN_HOOK,
        "wp_usermeta: rich_editing",
    ),
    ("nicename", PLAIN_HOOK, "wp_users.user_nicename"),
    ("display name", PLAIN_HOOK, "wp_users.display_name"),
    ("password", PLAIN_HOOK, "wp_users.user_pass"),
    ("no mail", PLAIN_HOOK, "wp_users.user_activation_key"),
    ("no profile", PLAIN_HOOK, "wp_fcom_xprofile"),
    (
        "a membership too many",
        PLAIN_HOOK,
        "wp_fcom_space_user: space 3",
    ),
    (
        "a membership too few",
        SPACES_HOOK,
        "wp_fcom_space_user: space",
    ),
    (
        "role in a space",
        SPACES_HOOK,
        "wp_fcom_space_user: space 1, role",
    ),
    ("no count", PLAIN_HOOK, "wp_fcom_meta.running_count"),
    ("more in the answer", PLAIN_HOOK, "answer.email"),
    ("other status", PLAIN_HOOK, "answer.status"),
    ("no count", MEMBERS_HOOK, "wp_fcom_meta.running_count"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_thing_that_php_does_otherwise_is_found() {
    let shadowed = Shadowed::new().await;
    let mut last = 0;
    let mut call = async |number: usize, hook: &str| {
        let email = format!("person{number}@example.com");
        let fields = [
            ("email", email.as_str()),
            ("first_name", "Jane"),
            ("user_password", "correct horse"),
        ];
        shadowed.sidecar.client.call(hook, &fields).await;
        let compared = shadowed.compared(last).await;
        last = compared.0;
        compared
    };
    for (number, (what, hook, place)) in WRONG.into_iter().enumerate() {
        shadowed.does_wrong(what);
        let (id, verdict, findings) = call(number, hook).await;
        assert_eq!(verdict, "unexplained", "{what}: {findings}");
        let found = places(&findings);
        assert!(
            found.iter().any(|found| found.starts_with(place)),
            "{what}: {findings}"
        );
        let (worked, said, _) = shadowed
            .sidecar
            .output(&["shadow", "show", &id.to_string()]);
        assert!(
            worked && said.contains(place) && said.contains("  - sidecar: "),
            "{said}"
        );
        let secret = ["correct horse", PLAIN_HOOK, "$P$", "$wp$"];
        assert!(!said.contains(&format!("person{number}@")), "{said}");
        assert!(!secret.iter().any(|secret| said.contains(secret)), "{said}");
    }
    let report = shadowed.report();
    assert_eq!(report["unexplained"], WRONG.len());
    assert_eq!(report["look_at"].as_array().unwrap().len(), WRONG.len());

    shadowed.does_wrong("meta of others");
    let (_, verdict, findings) = call(100, PLAIN_HOOK).await;
    assert_eq!(verdict, "beside", "{findings}");
    assert_eq!(
        findings["beside"],
        serde_json::json!(["wp_usermeta: points_of_others"])
    );
    shadowed.does_wrong("");
    let (_, verdict, findings) = call(101, PLAIN_HOOK).await;
    assert_eq!(verdict, "equal", "{findings}");
    let (_, said, _) = shadowed.sidecar.output(&["shadow", "report"]);
    assert!(
        said.contains("Not ready to switch: 14 calls differ"),
        "{said}"
    );
}
