//! Keeps this process's row in the table of instances, by which the commands know what it cannot do, and compares the clocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::mail::Delivery;
use crate::operations::agreement::Settings;
use crate::operations::instances::{self, Instance, Told};
use crate::site::Site;
use crate::telemetry;

/// Between two confirmations.
const CONFIRM: Duration = Duration::from_secs(15);
/// Between two looks whether an operator asks for a try, while no mail leaves.
const LOOK: Duration = Duration::from_secs(2);

/// Runs until `stop`, and never breaks off work with the database.
pub(super) async fn confirm_instance(
    site: Arc<Site>,
    mut settings: watch::Receiver<Settings>,
    mut delivery: watch::Receiver<Delivery>,
    asked: watch::Sender<u32>,
    stop: CancellationToken,
) {
    tokio::select! {
        () = site.readiness.wait() => {}
        () = stop.cancelled() => return,
    }
    let instance = Instance::of_this_process();
    let mut prints = None;
    let note_asked = |told: Told| {
        asked.send_if_modified(|asked| {
            std::mem::replace(asked, told.tries_asked) != told.tries_asked
        });
    };
    while !stop.is_cancelled() {
        if prints.is_none() || settings.has_changed().unwrap_or_default() {
            let (settings, site) = (
                settings.borrow_and_update().clone(),
                site.fingerprint.clone(),
            );
            let made = move || settings.prints(&site.unwrap_or_default());
            // Fails only if it panics.
            prints = tokio::task::spawn_blocking(made).await.ok();
        }
        let prints = prints.as_deref().unwrap_or_default();
        let state = delivery.borrow_and_update().clone();
        let noted = site.pool.work(async |connection| {
            instances::note(connection, &site.statements, &instance, prints, &state).await
        });
        match noted.await {
            Ok(Some(told)) => {
                site.skew.measured(site.clock.now(), told.now.and_utc());
                note_asked(told);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!("this instance is not noted: {}", telemetry::chain(&error));
            }
        }
        let confirm_at = Instant::now() + CONFIRM;
        let pause = match state {
            Delivery::Stuck(_) => LOOK,
            _ => CONFIRM,
        };
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // The sender lives as long as the process.
                _ = delivery.changed() => break,
                _ = settings.changed() => {
                    settings.mark_changed();
                    break;
                }
                () = stop.cancelled() => break,
            }
            if Instant::now() >= confirm_at {
                break;
            }
            let told = site.pool.work(async |connection| {
                instances::told(connection, &site.statements, &instance).await
            });
            // If it fails, so will the confirmation.
            if let Ok(Some(told)) = told.await {
                note_asked(told);
            }
        }
    }
    // A database that is away must not delay the end.
    if !site.readiness.is_ready() {
        return;
    }
    let left = site
        .pool
        .work(async |connection| instances::leave(connection, &site.statements, &instance).await);
    if let Err(error) = left.await {
        tracing::debug!("this instance stays noted: {}", telemetry::chain(&error));
    }
}
