//! Waits for conditions. Nothing else in the tests sleeps, so that no test depends on how busy the machine is.

use std::fmt::Display;
use std::panic::Location;
use std::time::{Duration, Instant};

/// Longer than anything takes on the busiest machine, so that only a missing event fails. A silent connection keeps its
/// locks for half a minute; nodes of a cluster take longer to join.
const PATIENCE: Duration = Duration::from_mins(2);
/// The pause between two polls.
const PAUSE: Duration = Duration::from_millis(10);

/// Polls until there is a result. On a timeout, the test fails with the last reason.
#[track_caller]
pub(crate) fn eventually<T, E: Display>(
    look: impl AsyncFnMut() -> Result<T, E>,
) -> impl Future<Output = T> {
    eventually_every(PAUSE, look)
}

/// The same with a custom pause, for state that polling itself affects.
#[track_caller]
pub(crate) fn eventually_every<T, E: Display>(
    pause: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match look().await {
                Ok(found) => return found,
                Err(reason) => {
                    assert!(Instant::now() < deadline, "{caller}: not in time: {reason}");
                }
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// Waits until this condition holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    eventually(async move || holds().await.then_some(()).ok_or(what))
}

/// Whether the condition holds within this time, for a start that is otherwise retried.
pub(crate) async fn within(limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !holds().await {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
    true
}

/// The same as [`until`] for blocking code, such as `drop`; `false` on a timeout.
pub(crate) fn blocks_until(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}

/// Lets time pass where the test is about time: a fault that lasts, a caller that retries later.
pub(crate) async fn time_passes(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The files in a folder that call sleep.
    fn that_sleep(folder: &Path) -> Vec<String> {
        let mut files = Vec::new();
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files.extend(that_sleep(&path));
            } else if std::fs::read_to_string(&path).unwrap().contains("sleep(") {
                files.push(path.file_name().unwrap().display().to_string());
            }
        }
        files
    }

    #[test]
    fn only_this_file_sleeps() {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
        assert_eq!(that_sleep(&tests), ["eventually.rs"]);
    }
}
