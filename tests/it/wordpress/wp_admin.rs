//! The console inside wp-admin, with the must-use plugin in a real WordPress, and what the dashboard and Site Health say.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Map, Value, json};

use super::browser::{Browser, field};
use super::network::{TWO, network, serve_with};
use super::{ADMIN_PASSWORD, PREFIX, RealSite};
use crate::browser as pages;
use crate::harness::chrome::Chrome;
use crate::harness::eventually::{eventually, until};
use crate::harness::http::Response;
use crate::harness::metrics;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK};

const SECRET: &str = "a secret that both sides know";
const RELAY_SECRET: (&str, &str) = ("FCOM_SIDECAR__RELAY__SECRET", SECRET);
const PASSWORD: &str = "the editor's own password";
/// As FluentCommunity does.
const MENU: &str = "<?php add_action( 'admin_menu', static function () { \
    add_menu_page( 'FluentCommunity', 'FluentCommunity', 'manage_options', 'fluent-community', '__return_true' ); } );";
/// Sends something where the console's page would be.
const NOISE: &str = "<?php if ( wp_doing_ajax() ) { while ( ob_get_level() > 0 && ob_end_flush() ) { continue; } echo 'noise'; flush(); }";
const PAGE: &str = "/wp-admin/tools.php?page=fcom-sidecar";
/// Mails that were given up, as the daemon knows.
const DEAD: &str = "fcom_sidecar_mails{state=\"dead\"}";

fn install_plugin(real: &RealSite) {
    let folder = real.installation.root().join("wp-content/mu-plugins");
    fs::create_dir_all(&folder).unwrap();
    let plugin = include_str!("../../../deploy/mu-plugin/fcom-sidecar.php");
    fs::write(folder.join("fcom-sidecar.php"), plugin).unwrap();
}

/// Defines the secret and where the daemon is: an expression of PHP.
fn connect(real: &RealSite, more: &str, secret: &str, console: &str) {
    let constants = format!(
        "{more}define( 'FCOM_SIDECAR_SECRET', '{secret}' );\ndefine( 'FCOM_SIDECAR_CONSOLE', {console} );\n"
    );
    let site = &real.site;
    real.installation
        .configure(&site.server, &site.database, &constants);
}

fn quoted(address: SocketAddr) -> String {
    format!("'{address}'")
}

async fn connected() -> (RealSite, Sidecar) {
    let real = RealSite::install().await;
    install_plugin(&real);
    let sidecar = real.sidecar_with(&[RELAY_SECRET]).await;
    sidecar.client.record(&[SECRET.to_owned()]);
    connect(&real, "", SECRET, &quoted(sidecar.client.admin));
    (real, sidecar)
}

async fn administrator(real: &RealSite, path: &str) -> Browser {
    let mut browser = real.browser();
    assert!(browser.log_in_at(path, "admin", ADMIN_PASSWORD).await);
    browser
}

/// PHP looks for changed files every few seconds only.
async fn assert_answers(browser: &mut Browser, path: &str, status: u16, words: &str) {
    eventually(async || {
        let answer = browser.open(path).await;
        let is_so = answer.status == status && answer.text().contains(words);
        let said = format!(
            "{} instead of {status} {words}: {}",
            answer.status,
            answer.text()
        );
        is_so.then_some(()).ok_or(said)
    })
    .await;
}

/// The frame's address in the page, up to the path.
fn base(page: &Response) -> String {
    let text = page.text();
    let (_, rest) = text
        .split_once("<iframe id=\"fcom-sidecar\" title=\"Sidecar\" src=\"")
        .unwrap_or_else(|| panic!("{} {text}", page.status));
    let source = rest.split('"').next().unwrap().replace("&amp;", "&");
    source.replace("&#038;", "&")
}

/// Retries given up mails as a form of this page would, and says where that leads.
async fn retry(browser: &mut Browser, frame: &str, csrf: &str) -> (u16, Option<String>) {
    let path = format!("{frame}mails/retry");
    let answer = browser.submit(&path, &[("csrf", csrf)]).await;
    (answer.status, answer.header("location").map(str::to_owned))
}

/// A mail that was given up, for the user `admin`.
async fn give_up_a_mail(real: &RealSite, prefix: &str) {
    real.site
        .execute(&format!(
            "INSERT INTO {prefix}fcom_sidecar_mail (user_id, webhook_id, state, attempts, next_attempt_at, tried_since, last_error, created_at)
             VALUES (1, 3, 'dead', 7, UTC_TIMESTAMP(), UTC_TIMESTAMP(), 'No such mailbox', UTC_TIMESTAMP())"
        ))
        .await;
}

async fn dead_mails(real: &RealSite, prefix: &str) -> u64 {
    let sql = format!("SELECT COUNT(*) FROM {prefix}fcom_sidecar_mail WHERE state = 'dead'");
    real.site.number(&sql).await
}

/// Every link of this page, and every file that it loads, passes.
async fn assert_links_lead_on(admin: &mut Browser, frame: &str, text: &str) {
    let mut links: Vec<String> = ["href=\"", "src=\""]
        .iter()
        .flat_map(|attribute| text.split(attribute).skip(1))
        .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"))
        .filter(|link| !link.starts_with('#'))
        .collect();
    links.sort();
    links.dedup();
    assert!(links.len() >= 10, "{links:?}");
    for link in &links {
        assert!(
            frame.ends_with(link.split_inclusive("path=").next().unwrap()),
            "{link}"
        );
        // It would ask the web server, which has one process here.
        if !link.ends_with("=check") {
            let answer = admin.open(&format!("/wp-admin/{link}")).await;
            assert_eq!(answer.status, 200, "{link}: {}", answer.text());
        }
    }
    let style = links
        .iter()
        .find(|link| link.contains("console.css"))
        .unwrap();
    let style = admin.open(&format!("/wp-admin/{style}")).await;
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert!(style.header("cache-control").unwrap().contains("max-age"));
}

/// Whoever is not the administrator, or comes without the nonce, sees and changes nothing; nor is anything beside the console asked for.
async fn assert_strangers_are_refused(
    real: &RealSite,
    admin: &mut Browser,
    frame: &str,
    csrf: &str,
) {
    let nonce = field(
        &admin.open(&format!("{frame}runs")).await.text(),
        "_wpnonce",
    );
    let mut editor = real.browser();
    assert!(editor.log_in("ed", PASSWORD).await);
    for forged in [
        frame.replace(&nonce, "0123456789"),
        frame.replace("_wpnonce", "nonce"),
    ] {
        assert_eq!(retry(admin, &forged, csrf).await, (403, None));
        assert_eq!(admin.open(&forged).await.status, 403);
    }
    // With all keys, but from a page of another site.
    for site in ["cross-site", "same-site", "none"] {
        let path = format!("{frame}mails/retry");
        let forged = admin.submit_from(site, &path, &[("csrf", csrf)]).await;
        assert_eq!(forged.status, 403, "{site}: {}", forged.text());
    }
    for stranger in [&mut editor, &mut real.browser()] {
        assert_eq!(retry(stranger, frame, csrf).await, (403, None));
        let refused = stranger.open(frame).await;
        assert_eq!(
            (refused.status, refused.text().contains("Overview")),
            (403, false)
        );
        let page = stranger.open(PAGE).await;
        assert!(!page.text().contains("<iframe"), "{}", page.text());
    }
    let menu = editor.open("/wp-admin/").await.text();
    assert!(
        menu.contains("wpadminbar") && !menu.contains("fcom-sidecar"),
        "{menu}"
    );
    for beside in [
        "../runs",
        "a//b",
        "/runs",
        "runs%0d%0aX: y",
        "%2e%2e/runs",
        "ru%00ns",
    ] {
        assert_eq!(
            admin
                .open(&format!("{frame}{}", beside.replace(' ', "%20")))
                .await
                .status,
            404,
            "{beside}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_use_the_console_and_nobody_else() {
    let (real, sidecar) = connected().await;
    real.set_option("default_role", "editor").await;
    let fields = [
        ("email", "ed@example.com"),
        ("user_login", "ed"),
        ("user_password", PASSWORD),
    ];
    let ed = sidecar.client.execute(SPACES_HOOK, &fields).await;
    give_up_a_mail(&real, PREFIX).await;
    let mut admin = administrator(&real, "/").await;
    let page = admin.open(PAGE).await;
    assert!(
        page.text().contains("href='tools.php?page=fcom-sidecar'"),
        "{}",
        page.text()
    );
    let frame = format!("/wp-admin/{}", base(&page));

    let overview = admin.open(&frame).await;
    let text = overview.text();
    assert_eq!(overview.status, 200, "{text}");
    assert!(
        text.contains("class=\"in-wp-admin\"") && text.contains(">ed <"),
        "{text}"
    );
    let policy = overview.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(overview.header("x-frame-options"), Some("SAMEORIGIN"));
    assert_eq!(overview.header("cache-control"), Some("no-store"));
    assert_links_lead_on(&mut admin, &frame, &text).await;
    // What a form sends with GET, and parameters of a link.
    for found in [
        format!("{frame}runs&member={ed}&webhook="),
        format!("{frame}runs?member={ed}"),
    ] {
        let text = admin.open(&found).await.text();
        assert!(
            text.contains(&format!("name=\"member\" value=\"{ed}\"")),
            "{text}"
        );
    }
    let unknown = admin.open(&format!("{frame}runs/99999")).await;
    assert_eq!(unknown.status, 404);

    // A change, and what keeps others from making it.
    let csrf = field(&admin.open(&format!("{frame}mails")).await.text(), "csrf");
    assert_strangers_are_refused(&real, &mut admin, &frame, &csrf).await;
    assert_eq!(retry(&mut admin, &frame, "0").await.0, 403);
    assert_eq!(dead_mails(&real, PREFIX).await, 1);
    // Whom a plugin lets see Site Health reads nothing of the daemon there.
    for (user, is_shown) in [(ed, false), (1, true)] {
        let tests = real.php("health", json!({ "user": user, "async": true }));
        assert_eq!(tests.await != json!([]), is_shown, "{user}");
    }

    let (status, next) = retry(&mut admin, &frame, &csrf).await;
    assert_eq!(status, 303);
    let next = admin
        .open(&format!("/wp-admin/{}", next.unwrap()))
        .await
        .text();
    assert!(
        next.contains("1 mail given up before is due at once"),
        "{next}"
    );
    assert_eq!(dead_mails(&real, PREFIX).await, 0);
    sidecar.says("user 1 (admin), in wp-admin").await;

    let folder = real.installation.root().join("wp-content/mu-plugins");
    fs::write(folder.join("menu.php"), MENU).unwrap();
    let menu = admin.open("/wp-admin/").await.text();
    assert!(
        menu.contains("href='admin.php?page=fcom-sidecar'"),
        "{menu}"
    );
    let deep = admin
        .open("/wp-admin/admin.php?page=fcom-sidecar&path=mails%3Fstate%3Dall")
        .await;
    assert!(base(&deep).ends_with("&path=mails?state=all"));

    // What somebody else has sent cannot be taken back, so nothing is done that nobody would hear of.
    give_up_a_mail(&real, PREFIX).await;
    fs::write(folder.join("noise.php"), NOISE).unwrap();
    assert_answers(&mut admin, &frame, 200, "Sidecar cannot be shown").await;
    let answer = admin
        .submit(&format!("{frame}mails/retry"), &[("csrf", &csrf)])
        .await
        .text();
    assert!(
        answer.contains("Nothing was changed") && answer.contains("noise.php"),
        "{answer}"
    );
    assert_eq!(dead_mails(&real, PREFIX).await, 1);
}

/// What the dashboard says about the sidecar.
async fn notice(admin: &mut Browser) -> String {
    let page = admin.open("/wp-admin/index.php").await;
    let text = page.text();
    assert!(
        text.contains("id=\"dashboard-widgets\""),
        "{} {text}",
        page.status
    );
    let notices = text.split("<div class=\"notice notice-").skip(1);
    let ours = notices.filter(|notice| notice.contains("page=fcom-sidecar\">"));
    ours.map(|notice| notice.split("</div>").next().unwrap())
        .collect()
}

async fn forget_state(real: &RealSite) {
    let sql =
        format!("DELETE FROM {PREFIX}options WHERE option_name LIKE '%fcom\\_sidecar\\_state'");
    real.site.execute(&sql).await;
}

/// Status and label of the tests of Site Health.
async fn health(real: &RealSite, is_async: bool) -> Vec<(String, String)> {
    forget_state(real).await;
    let input = json!({ "user": 1, "async": is_async });
    let results = real.php("health", input).await;
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    // PHP writes no results as an empty list.
    let results = results.as_object().into_iter().flat_map(Map::values);
    results
        .map(|one| (text(one, "status"), text(one, "label")))
        .collect()
}

/// Waits for these, status and label: a busy machine may be too slow for the plugin's patience.
async fn assert_health(real: &RealSite, expected: &[(&str, &str)]) {
    eventually(async || {
        let said = health(real, false).await;
        let said_so = said.iter().map(|(status, label)| (&**status, &**label));
        said_so
            .eq(expected.iter().copied())
            .then_some(())
            .ok_or_else(|| format!("{said:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_and_site_health_say_what_needs_somebody() {
    let (real, mut sidecar) = connected().await;
    let mut admin = administrator(&real, "/").await;
    assert_eq!(notice(&mut admin).await, "");
    let (runs, belongs) = (
        ("good", "Sidecar runs"),
        ("good", "fcom-sidecar.php belongs to the daemon"),
    );
    let all_is_well = [runs, belongs, ("good", "Sidecar has given up nothing")];
    assert_health(&real, &all_is_well).await;

    give_up_a_mail(&real, PREFIX).await;
    let given_up = ("recommended", "Sidecar has given up 1 mail");
    assert_health(&real, &[runs, belongs, given_up]).await;
    let said = notice(&mut admin).await;
    assert!(
        said.starts_with("warning") && said.contains("Sidecar has given up 1 mail."),
        "{said}"
    );
    // Asked once a minute at most.
    let sql = format!("DELETE FROM {PREFIX}fcom_sidecar_mail");
    real.site.execute(&sql).await;
    metrics::wait_for(&sidecar.client, DEAD, |mails| mails < 0.5).await;
    assert_eq!(notice(&mut admin).await, said);
    eventually(async || {
        let said = health(&real, true).await;
        let found = said
            .iter()
            .any(|(_, label)| label.starts_with("Sidecar’s checks found"));
        found.then_some(()).ok_or_else(|| format!("{said:?}"))
    })
    .await;

    // A plugin of another release, and one that cannot ask.
    let cannot = [("recommended", "wp-admin cannot ask the Sidecar")];
    let admin_listener = quoted(sidecar.client.admin);
    connect(&real, "", "some other secret of theirs", &admin_listener);
    assert_health(&real, &cannot).await;
    assert_eq!(notice(&mut admin).await, "");
    let page = format!("/wp-admin/{}", base(&admin.open(PAGE).await));
    assert_answers(&mut admin, &page, 503, "has another secret").await;
    // Something else at that address, whose pages must not get into wp-admin.
    let other = super::php::Server::start(real.installation.root()).await;
    connect(&real, "", SECRET, &quoted(other.address));
    assert_answers(&mut admin, &page, 503, "is no daemon of this release").await;
    assert_health(&real, &cannot).await;
    drop(other);
    let plugin = real
        .installation
        .root()
        .join("wp-content/mu-plugins/fcom-sidecar.php");
    let text = fs::read_to_string(&plugin).unwrap();
    fs::write(&plugin, text.replace("OLDEST = 100", "OLDEST = 10")).unwrap();
    connect(&real, "", SECRET, &admin_listener);
    let other = (
        "recommended",
        "fcom-sidecar.php is not the one that belongs to the daemon",
    );
    assert_health(&real, &[runs, other, all_is_well[2]]).await;

    // Away.
    sidecar.terminate();
    assert_health(&real, &[("critical", "Sidecar does not run")]).await;
    let said = notice(&mut admin).await;
    assert!(
        said.starts_with("error") && said.contains("Sidecar does not run."),
        "{said}"
    );
    assert_answers(&mut admin, &page, 503, "Nothing answers at 127.0.0.1:").await;

    // Over a Unix socket, if PHP's user may open it.
    let socket = real.installation.root().join("admin.sock");
    let unix = format!("unix:{}", socket.display());
    connect(&real, "", SECRET, &format!("'{unix}'"));
    assert_answers(&mut admin, &page, 503, "Nothing answers at unix:").await;
    sidecar.set_environment("FCOM_SIDECAR__SERVER__ADMIN_LISTEN", &unix);
    sidecar.spawn();
    assert_answers(&mut admin, &page, 200, "in-wp-admin").await;
    fs::set_permissions(&socket, Permissions::from_mode(0o000)).unwrap();
    forget_state(&real).await;
    let unprivileged = json!({ "user": 1, "async": false, "unprivileged": true });
    let said = real.php("health", unprivileged).await.to_string();
    assert!(said.contains("PHP may not connect to unix:"), "{said}");
    // The daemon's own group may read its secrets.
    assert!(
        said.contains("let fcom-sidecar-admin.socket make it"),
        "{said}"
    );
    sidecar.terminate();

    // Switched off.
    connect(&real, "", SECRET, "false");
    assert!(health(&real, true).await.is_empty());
    assert_answers(&mut admin, PAGE, 403, "not allowed").await;
    assert_eq!(notice(&mut admin).await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_site_of_a_network_has_its_own_console() {
    let real = network().await;
    install_plugin(&real);
    let constants = super::network::constants(&real);
    let main = real.sidecar_with(&[RELAY_SECRET]).await;
    let two = serve_with(&real, TWO, &[RELAY_SECRET]).await;
    for sidecar in [&main, &two] {
        sidecar.client.record(&[SECRET.to_owned()]);
    }
    let (of_main, of_two) = (quoted(main.client.admin), quoted(two.client.admin));
    let both = format!("array( 1 => {of_main}, 2 => {of_two} )");
    connect(&real, &constants, SECRET, &both);
    give_up_a_mail(&real, "wpx_2_").await;
    let fields = [("email", "zoe@example.com"), ("user_login", "zoe")];
    two.client.execute(PLAIN_HOOK, &fields).await;
    let mut admin = administrator(&real, "/").await;
    let mut frames = Vec::new();
    for (path, has_zoe) in [("/", false), ("/two/", true)] {
        let page = admin
            .open(&format!("{path}wp-admin/tools.php?page=fcom-sidecar"))
            .await;
        let frame = format!("{path}wp-admin/{}", base(&page));
        let overview = admin.open(&frame).await.text();
        assert_eq!(overview.contains(">zoe <"), has_zoe, "{overview}");
        frames.push(frame);
    }
    let csrf = field(
        &admin.open(&format!("{}mails", frames[1])).await.text(),
        "csrf",
    );
    // One site's form counts for that site only.
    assert_eq!(retry(&mut admin, &frames[0], &csrf).await.0, 403);
    assert_eq!(retry(&mut admin, &frames[1], &csrf).await.0, 303);
    assert_eq!(dead_mails(&real, "wpx_2_").await, 0);
    two.says("user 1 (admin), in wp-admin").await;

    // Whoever manages one site does not manage another one's daemon.
    connect(
        &real,
        &constants,
        SECRET,
        &format!("array( 2 => {of_main} )"),
    );
    assert_answers(&mut admin, &frames[1], 503, "serves another site").await;
    // One address is the main site's.
    connect(&real, &constants, SECRET, &of_main);
    assert_answers(&mut admin, &frames[1], 403, "not allowed").await;
    assert_answers(&mut admin, &frames[0], 200, "Overview").await;
    let menu = admin.open("/two/wp-admin/").await.text();
    assert!(
        menu.contains("tools.php") && !menu.contains("fcom-sidecar"),
        "{menu}"
    );
}

/// Waits until somebody reads this in the frame.
async fn frame_says(chrome: &Chrome, expected: &str) {
    let words = "document.querySelector('#fcom-sidecar').contentDocument.body?.innerText ?? ''";
    eventually(async || {
        let words = chrome.value(words).await;
        let is_said = words.as_str().unwrap_or_default().contains(expected);
        is_said
            .then_some(())
            .ok_or_else(|| format!("{expected} is not in: {words}"))
    })
    .await;
}

const FRAME: &str = "document.querySelector('#fcom-sidecar').contentWindow";

/// Nobody is kept from using a page in the frame, nor the frame.
async fn assert_usable_in_frame(chrome: &Chrome, page: &str) {
    let go =
        format!("{FRAME}.location = {FRAME}.location.href.replace(/path=.*/, 'path={page}'), 0");
    chrome.value(&go).await;
    let is_there = format!(
        "{FRAME}.document.readyState === 'complete' && {FRAME}.location.href.endsWith('path={page}') && !!{FRAME}.axe"
    );
    until("the frame does not load", async || {
        chrome.value(&is_there).await == true
    })
    .await;
    let seconds: &[u64] = match page {
        "" => &[15, 60],
        "runs" | "mails" | "hooks" => &[15],
        _ => &[],
    };
    pages::assert_asks_every(chrome, FRAME, page, seconds).await;
    pages::assert_usable(chrome, FRAME, page, pages::ALL).await;
}

/// Uses the page and its frame in a real browser: a change, and news without loading the page again.
pub(crate) async fn work_in(chrome: &Chrome) {
    let (real, sidecar) = connected().await;
    give_up_a_mail(&real, PREFIX).await;
    metrics::wait_for(&sidecar.client, DEAD, |mails| mails > 0.5).await;
    let site = format!("http://{}", real.server.address);
    // Wide enough for the navigation.
    chrome.resize(1280, 800).await;
    chrome.open(&format!("{site}/wp-login.php")).await;
    // WordPress's script moves the focus while somebody types.
    let log_in = format!(
        "user_login.value = 'admin', user_pass.value = {}, loginform.submit(), 0",
        json!(ADMIN_PASSWORD)
    );
    chrome.value(&log_in).await;
    chrome.is_at(&format!("{site}/wp-admin/")).await;
    chrome.open(&format!("{site}{PAGE}&path=mails")).await;
    frame_says(chrome, "No such mailbox").await;
    let frame =
        "runOnly: ['frame-title', 'frame-focusable-content', 'scrollable-region-focusable']";
    pages::assert_usable(chrome, "window", "wp-admin", frame).await;
    for page in [
        "",
        "runs",
        "refused",
        "webhooks",
        "webhooks/new",
        "webhooks/3",
        "hooks",
        "shadow",
        "config",
        "mails",
    ] {
        assert_usable_in_frame(chrome, page).await;
    }
    chrome.enter("#fcom-sidecar").await;
    chrome.press("Retry all given up").await;
    frame_says(chrome, "1 mail given up before is due at once").await;
    chrome.click("a[href$='&path=runs']").await;
    frame_says(chrome, "No call has come yet").await;
    let fields = [("email", "zoe@example.com"), ("user_login", "zoe")];
    sidecar.client.execute(PLAIN_HOOK, &fields).await;
    frame_says(chrome, "zoe").await;
}
