//! How long operators wait for what they read: each command with its start and its connection, and each page of the admin listener
//! and of the console.

use std::process::Command;
use std::time::Instant;

use anyhow::ensure;

use crate::console::Session;
use crate::measure;
use crate::sidecar::Sidecar;
use crate::site::{self, Site};

/// The median of so many.
const TIMES: usize = 5;
/// What `find` ends with where it finds a refused call or none, and what `check` ends with here: some of what it verifies is missing.
const OTHER_ENDS: [i32; 4] = [0, 1, 3, 4];

/// A command or a page, and its time.
pub(crate) struct Reading {
    pub(crate) name: String,
    pub(crate) milliseconds: anyhow::Result<f64>,
}

/// Measures all of them. The names are the same for sites of all sizes.
pub(crate) async fn measure(site: &Site, sidecar: &Sidecar) -> Vec<Reading> {
    let mut all = Vec::new();
    for (name, arguments) in commands(site.users) {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let milliseconds = median(async || run(sidecar.command(&arguments))).await;
        all.push(Reading { name, milliseconds });
    }
    for (name, path) in pages(site.users) {
        let milliseconds = median(async || {
            let (status, body) = sidecar.page(&path).await?;
            ensure!(status == 200, "status {status}: {body}");
            Ok(())
        });
        let milliseconds = milliseconds.await;
        all.push(Reading { name, milliseconds });
    }
    let session = Session::open(sidecar).await;
    for (name, path) in console(site.users) {
        let milliseconds = match &session {
            Ok(session) => median(async || session.page(&path).await).await,
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        };
        all.push(Reading { name, milliseconds });
    }
    all
}

async fn median(read: impl AsyncFn() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        read().await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(measure::median(times.into_iter()))
}

fn run(mut command: Command) -> anyhow::Result<()> {
    let output = command.output()?;
    let is_usual = output
        .status
        .code()
        .is_some_and(|code| OTHER_ENDS.contains(&code));
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(
        is_usual && !words.contains("fcom-sidecar:"),
        "{}: {words}",
        output.status
    );
    Ok(())
}

/// Names and arguments. `…` in a name stands for what depends on the size.
fn commands(users: u64) -> Vec<(String, Vec<String>)> {
    let member = users.div_ceil(2);
    let (id, login) = (site::id(member).to_string(), site::name(member));
    let email = format!("{login}@bench.example");
    let middle = (users * 5).to_string();
    let (newest, oldest) = (request(users * 10), request(1));
    let all: [(&str, &[&str]); 29] = [
        ("runs list", &["runs", "list"]),
        ("runs list --limit 500", &["runs", "list", "--limit", "500"]),
        (
            "runs list --before …",
            &["runs", "list", "--before", &middle],
        ),
        ("runs list --user ID", &["runs", "list", "--user", &id]),
        (
            "runs list --user LOGIN",
            &["runs", "list", "--user", &login],
        ),
        (
            "runs list --user ADDRESS",
            &["runs", "list", "--user", &email],
        ),
        (
            "runs list --webhook ID",
            &["runs", "list", "--webhook", "3"],
        ),
        (
            "runs list --webhook TITLE",
            &["runs", "list", "--webhook", "Bench"],
        ),
        (
            "runs list --user ID --webhook ID",
            &["runs", "list", "--user", &id, "--webhook", "3"],
        ),
        ("runs show …", &["runs", "show", &middle]),
        ("outbox list", &["outbox", "list"]),
        (
            "outbox list --state pending",
            &["outbox", "list", "--state", "pending"],
        ),
        (
            "outbox list --state sent",
            &["outbox", "list", "--state", "sent"],
        ),
        (
            "outbox list --state skipped",
            &["outbox", "list", "--state", "skipped"],
        ),
        (
            "outbox list --state dead",
            &["outbox", "list", "--state", "dead"],
        ),
        ("outbox show …", &["outbox", "show", "5"]),
        ("relay status", &["relay", "status"]),
        ("webhook list", &["webhook", "list"]),
        ("webhook show …", &["webhook", "show", "3"]),
        ("refused list", &["refused", "list"]),
        (
            "refused list --webhook ID",
            &["refused", "list", "--webhook", "3"],
        ),
        ("refused show …", &["refused", "show", "5"]),
        ("find ADDRESS", &["find", &email]),
        ("find LOGIN", &["find", &login]),
        ("find REQUEST-ID, the newest", &["find", &newest]),
        ("find REQUEST-ID, the oldest", &["find", &oldest]),
        (
            "find REQUEST-ID, unknown",
            &["find", "0123456789abcdef0123456789abcdef"],
        ),
        ("find MINUTE", &["find", "2026-01-01T00:00"]),
        ("check", &["check"]),
    ];
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    all.into_iter()
        .map(|(name, arguments)| (name.to_owned(), owned(arguments)))
        .collect()
}

/// Every page of the admin listener, with its filters.
fn pages(users: u64) -> Vec<(String, String)> {
    let member = users.div_ceil(2);
    let (id, login, middle) = (site::id(member), site::name(member), users * 5);
    [
        ("/healthz", "/healthz".to_owned()),
        ("/readyz", "/readyz".to_owned()),
        ("/openapi.json", "/openapi.json".to_owned()),
        ("/metrics", "/metrics".to_owned()),
        ("/runs", "/runs".to_owned()),
        ("/runs?limit=500", "/runs?limit=500".to_owned()),
        ("/runs?before=…", format!("/runs?before={middle}")),
        ("/runs?user=ID", format!("/runs?user={id}")),
        ("/runs?user=LOGIN", format!("/runs?user={login}")),
        (
            "/runs?user=ADDRESS",
            format!("/runs?user={login}%40bench.example"),
        ),
        ("/runs?webhook=ID", "/runs?webhook=3".to_owned()),
        ("/runs?webhook=TITLE", "/runs?webhook=Bench".to_owned()),
        ("/runs/…", format!("/runs/{middle}")),
        ("/refused", "/refused".to_owned()),
        ("/refused?webhook=ID", "/refused?webhook=3".to_owned()),
        ("/refused/…", "/refused/5".to_owned()),
        (
            "/wp-json/fluent-community/v2/admin/webhooks",
            "/wp-json/fluent-community/v2/admin/webhooks".to_owned(),
        ),
    ]
    .map(|(name, path)| (format!("GET {name}"), path))
    .to_vec()
}

/// Every page of the console, with its searches.
fn console(users: u64) -> Vec<(String, String)> {
    let (login, middle) = (site::name(users.div_ceil(2)), users * 5);
    [
        ("", String::new()),
        ("runs", "runs".to_owned()),
        ("runs?before=…", format!("runs?before={middle}")),
        ("runs?member=LOGIN", format!("runs?member={login}")),
        (
            "runs?member=ADDRESS",
            format!("runs?member={login}%40bench.example"),
        ),
        ("runs?webhook=ID", "runs?webhook=3".to_owned()),
        (
            "runs?request=…",
            format!("runs?request={}", request(users * 10)),
        ),
        ("runs/…", format!("runs/{middle}")),
        ("refused", "refused".to_owned()),
        ("refused/…", "refused/5".to_owned()),
        ("webhooks", "webhooks".to_owned()),
        ("webhooks/…", "webhooks/3".to_owned()),
        ("webhooks/new", "webhooks/new".to_owned()),
        ("mails", "mails".to_owned()),
        ("mails/…", "mails/5".to_owned()),
        ("hooks", "hooks".to_owned()),
        ("shadow", "shadow".to_owned()),
        ("check", "check".to_owned()),
        ("config", "config".to_owned()),
    ]
    .map(|(name, path)| (format!("GET /console/{name}"), format!("/console/{path}")))
    .to_vec()
}

/// The request id of this run, as the site was filled.
fn request(run: u64) -> String {
    use md5::{Digest, Md5};
    hex::encode(Md5::digest(format!("request{run}")))
}
