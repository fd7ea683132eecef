//! What the relay saves WordPress: hooks a second of one PHP process that takes them from the queue, against a request for each. The
//! listener does nothing. Both are PHP workers of the same WordPress with `OPcache`, with one request at a time.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

use crate::Options;
use crate::extras::RELAY;
use crate::http::{self, Calls, Connection};
use crate::lab::Lab;
use crate::load::Pace;
use crate::measure::Row;
use crate::processes::Watched;
use crate::report::Report;
use crate::sidecar::Sidecar;
use crate::wordpress::{DATABASE, SECRET, WordPress};

/// Facts.
pub(crate) const HOOKS: &str = "relay_hooks_per_second";
pub(crate) const REQUESTS: &str = "requests_per_second_of_one_hook_each";
const EVENTS: u64 = 40_000;

/// The listener, and the request that fires one hook as soon as WordPress is loaded.
const PLUGIN: &str = "<?php
add_action( 'user_register', static function () {} );
add_action( 'wp_loaded', static function () {
	if ( isset( $_GET['bench_hook'] ) ) {
		do_action( 'user_register', (int) $_GET['bench_hook'], array() );
		echo 'fired';
		exit;
	}
} );
";

/// Measures both, in turns.
pub(crate) async fn measure(
    lab: &Lab,
    options: &Options,
    report: &mut Report,
) -> anyhow::Result<()> {
    if !options.wants(RELAY) {
        return Ok(());
    }
    let wordpress = lab.wordpress.as_ref().context("there is no WordPress")?;
    prepare(lab, wordpress).await?;
    let watched = Watched {
        servers: wordpress.processes(),
        ..lab.watched.clone()
    };
    let request =
        |number: u64| format!("GET /?bench_hook={number} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let calls = Calls {
        address: wordpress.address,
        request: Arc::new(request),
        success: 200,
    };
    let requests = Row::calls("a request for each hook", calls, &watched);
    for _ in 0..options.repeats {
        report.sample(HOOKS, wake(wordpress, options.seconds).await?);
        let run = requests.measure(1, Pace::Closed, options.seconds).await?;
        report.sample(REQUESTS, run.per_second);
    }
    Ok(())
}

/// The plugins, the daemon's tables, and users with an event each.
async fn prepare(lab: &Lab, wordpress: &WordPress) -> anyhow::Result<()> {
    let plugins = wordpress.root().join("wp-content/mu-plugins");
    fs::create_dir_all(&plugins)?;
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/mu-plugin/fcom-sidecar.php");
    fs::copy(plugin, plugins.join("fcom-sidecar.php"))?;
    fs::write(plugins.join("bench.php"), PLUGIN)?;
    // A daemon makes its tables before it finds that the site has no FluentCommunity.
    let url = lab.site.server.url(DATABASE);
    let migrated = Sidecar::run(&url, &["migrate"])?;
    ensure!(
        migrated.status.success(),
        "{}",
        String::from_utf8_lossy(&migrated.stderr)
    );
    let mut connection = lab
        .site
        .server
        .connect_options(Some(DATABASE))
        .connect()
        .await?;
    let fill = format!(
        "INSERT INTO wp_users (ID, user_login, user_nicename, user_email, display_name) \
             SELECT 1000000 + seq, CONCAT('hook', seq), CONCAT('hook', seq), CONCAT('hook', seq, '@bench.example'), 'x' \
             FROM seq_1_to_{EVENTS}; \
         INSERT INTO wp_usermeta (user_id, meta_key, meta_value) \
             SELECT 1000000 + seq, 'wp_capabilities', 'a:1:{{s:10:\"subscriber\";b:1;}}' FROM seq_1_to_{EVENTS}; \
         INSERT INTO wp_fcom_sidecar_events (user_id, kind, role, state, due_at, created_at) \
             SELECT 1000000 + seq, 'user_register', 'subscriber', 'pending', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) \
             FROM seq_1_to_{EVENTS}; \
         ANALYZE TABLE wp_users, wp_usermeta, wp_fcom_sidecar_events"
    );
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(fill)))
        .await?;
    Ok(())
}

/// Hooks a second of one request of the daemon.
async fn wake(wordpress: &WordPress, seconds: f64) -> anyhow::Result<f64> {
    let seconds = seconds.ceil().max(1.0);
    let now = std::time::UNIX_EPOCH.elapsed()?.as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    mac.update(format!("{now}.wake").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let headers =
        format!("X-Fcom-Sidecar-Time: {now}\r\nX-Fcom-Sidecar-Signature: {signature}\r\n");
    let target = format!("/?rest_route=/fcom-sidecar/v1/wake&seconds={seconds}");
    let mut connection = Connection::open(wordpress.address).await?;
    let began = Instant::now();
    let (status, body) = connection
        .exchange(&http::post(&target, &headers, ""))
        .await?;
    let took = began.elapsed().as_secs_f64();
    ensure!(
        status == 200,
        "WordPress says {status}: {}",
        String::from_utf8_lossy(body)
    );
    // With chunks around it, where there is no length.
    let text = String::from_utf8_lossy(body);
    let json = text.find('{').zip(text.rfind('}')).context("no answer")?;
    let ran: Value = serde_json::from_str(&text[json.0..=json.1])?;
    let done = ran["done"].as_f64().unwrap_or_default();
    ensure!(done > 0.0, "no hook was fired: {ran}");
    Ok(done / took)
}
