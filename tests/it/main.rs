//! Tests the daemon from outside: its binary, its configuration file, HTTP and the site's database.
//!
//! One private MariaDB server serves the whole run, in a time zone other than UTC, because the daemon must not depend
//! on it. Every test gets its own database from a fixture, and every daemon its own ports. The daemon logs at `trace`
//! and [`harness::sidecar::Sidecar`] records what was posted, so each test also proves that no secret reached the log.
//!
//! # Layout
//!
//! Each folder holds the cases that prove one property; [`harness`] holds what they share.
//!
//! | folder | proves |
//! | --- | --- |
//! | `admin` | the admin listener: access, its `OpenAPI` document, the management of webhooks, the console |
//! | `browser` | the console in a real browser |
//! | `calls` | what a call answers and writes, compared with PHP |
//! | `database` | own tables, every statement, round trips; the private server of the tests |
//! | `deploy` | listeners, sockets, systemd units, the web servers in front |
//! | `documents` | what people read instead of the code, against the program |
//! | `exactly_once` | collisions, repetitions, crashes, random faults |
//! | `faults` | one file per component that fails: database, mail server, clock; overload |
//! | `galera` | several nodes that write |
//! | `group_replication` | the same on MySQL, and a primary that changes |
//! | `incidents` | lost and restored tables, leftover rows, a moved site, and what became of a call |
//! | `mail` | the promise of a welcome mail, and the SMTP server that gets it |
//! | `mysql` | what only MySQL has; `make matrix` runs it |
//! | `operator` | commands, `check`, grants, metrics, reloads, the run log |
//! | `otlp` | traces, and the collector that receives them |
//! | `security` | hostile callers; no secret in any log |
//! | `wordpress` | a real WordPress judges what was written, and fires the hooks; PHP judges what was read |
//!
//! `tests/data` holds the recordings of PHP and the scripts for the real WordPress; `tests/bench` is the benchmark.
//!
//! # Running a part
//!
//! `make test` installs what is missing and runs everything. To run less, give a part of the path:
//!
//! ```text
//! cargo test --features otlp --test it -- calls::names
//! cargo test --features otlp --test it -- a_second_signal_ends_a_daemon_that_waits_for_a_call
//! ```
//!
//! Most tests need only MariaDB (`deploy/install-tools mariadbd`). Where a program is missing, the test fails with its name
//! and the command that installs it. These tests need more:
//!
//! | tests | programs and files |
//! | --- | --- |
//! | `browser` | `chromium`, `chromedriver`, axe-core: `make tools-browser` |
//! | `wordpress` | `php`, the packages of WordPress and its translations; `wordpress::relay` also `php-fpm` and `nginx` |
//! | `deploy::web_servers` | `nginx`, `apache2`, `caddy` or `haproxy`, each its own; all of them `php`, `php-fpm` and `curl` |
//! | `deploy::systemd` | `systemd-analyze` |
//! | `galera` | `/usr/lib/galera/libgalera_smm.so`, `mariadb-backup`, `socat` |
//! | `faults::clock_jumps` | `faketime` |
//! | `operator::metrics` | `promtool` |
//! | `admin::openapi`, the ignored one | schemathesis: `make openapi` |
//!
//! Tests start their own servers in temporary folders and never touch those of the machine. `make torture` and
//! `make relay-run` run the random ones for longer; a failure prints its seed.
//!
//! # Writing a case
//!
//! * Put it into the folder of the property it proves, under a name that is a sentence. List a new file in the folder's
//!   `mod.rs`; split files near 400 lines.
//! * Start a site and a daemon, call, and assert what is visible from outside: answers, rows, mails, the log.
//!
//!   ```ignore
//!   let site = Site::new("71").await;
//!   let sidecar = Sidecar::start(&site).await;
//!   let id = sidecar.client.execute(PLAIN_HOOK, &[("email", "ann@example.com")]).await;
//!   invariants::assert_hold(&site).await;
//!   ```
//! * Take expected values from PHP (a recording or the real WordPress), never from the daemon's own output.
//! * Wait for a condition with [`harness::eventually`]. No other file may sleep; a test enforces it.
//! * The client records the secrets in forms. Add others with `sidecar.client.record`.
//! * Start programs with [`harness::programs`], so that a missing one is reported by name.

#![expect(
    clippy::unwrap_used,
    reason = "everything here is a test, also the functions that clippy does not take for one"
)]
#![expect(
    clippy::print_stderr,
    reason = "a failed test shows the end of the daemon's log"
)]
#![expect(
    clippy::format_push_string,
    reason = "requests and statements are put together where they read best"
)]

mod admin;
mod browser;
mod calls;
mod database;
mod deploy;
mod documents;
mod exactly_once;
mod faults;
mod galera;
mod group_replication;
mod harness;
mod incidents;
mod mail;
mod mysql;
mod operator;
mod otlp;
mod security;
mod wordpress;
