//! A daemon that must stay awake and small whatever is done to it; for every test that attacks it.
//!
//! The test is the daemon's service manager: it gets the beats of systemd's watchdog, which a task on the main runtime sends. Clocks
//! say little about them, because the machine may be busy with other tests. So what counts is the processor time that a thread of
//! that runtime uses between two beats: a runtime that is not deaf has little to do in between, and one that waits for the
//! processor, or for the test, uses none.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{JoinHandle, available_parallelism};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::sidecar::Sidecar;
use super::site::Site;

/// What the daemon may occupy at most, in bytes, whatever others do. Code that is not optimised takes some more itself.
pub(crate) const MEMORY: u64 = if cfg!(debug_assertions) { 104 } else { 96 } << 20;
/// Processor time of one thread between two beats. Code that is not optimised takes longer.
const DEAF: Duration = Duration::from_millis(if cfg!(debug_assertions) { 300 } else { 100 });
/// Time of day between two beats: the service manager's limit.
const SILENT: Duration = Duration::from_secs(30);
/// The daemon sends three beats in this time.
const LIMIT: Duration = Duration::from_millis(30);
const BEAT: &[u8] = b"WATCHDOG=1";
/// Sent by ourselves.
const END: &[u8] = b"END";

/// A running daemon. Dropping it asserts that it was never deaf and never large, and what [`Sidecar`] asserts.
pub(crate) struct Watched {
    sidecar: Sidecar,
    folder: TempDir,
    watch: Option<JoinHandle<Worst>>,
}

/// The longest time between two beats.
#[derive(Clone, Copy, Debug, Default)]
struct Worst {
    deaf: Duration,
    silent: Duration,
}

impl Watched {
    /// As [`Sidecar::start`].
    pub(crate) async fn start(site: &Site) -> Self {
        Self::start_with(site, &[]).await
    }

    /// As [`Sidecar::start_with`].
    pub(crate) async fn start_with(site: &Site, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let process = Arc::new(AtomicU32::new(0));
        let watch = std::thread::spawn({
            let process = process.clone();
            move || watch(&socket, &process)
        });
        let (path, limit) = (path.display().to_string(), LIMIT.as_micros().to_string());
        let mut environment = environment.to_vec();
        environment.extend([("NOTIFY_SOCKET", &*path), ("WATCHDOG_USEC", &*limit)]);
        let sidecar = Sidecar::start_with(site, &environment).await;
        process.store(sidecar.process_id(), Ordering::Relaxed);
        Self {
            sidecar,
            folder,
            watch: Some(watch),
        }
    }
}

impl Deref for Watched {
    type Target = Sidecar;

    fn deref(&self) -> &Sidecar {
        &self.sidecar
    }
}

impl DerefMut for Watched {
    fn deref_mut(&mut self) -> &mut Sidecar {
        &mut self.sidecar
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let socket = UnixDatagram::unbound().unwrap();
        let sent = socket.send_to(END, self.folder.path().join("notify"));
        let worst = sent.ok().and(self.watch.take()).map(JoinHandle::join);
        let worst = worst.and_then(Result::ok).unwrap_or_default();
        if std::thread::panicking() {
            eprintln!("the daemon's longest pause: {worst:?}");
            return;
        }
        let peak = self.sidecar.peak_memory();
        assert!(peak < MEMORY, "{} MiB were occupied", peak >> 20);
        assert!(worst.silent > Duration::ZERO, "no beat came");
        assert!(worst.deaf < DEAF, "the runtime was deaf: {worst:?}");
        assert!(worst.silent < SILENT, "the runtime was silent: {worst:?}");
    }
}

/// Takes the beats until the end.
fn watch(socket: &UnixDatagram, process: &AtomicU32) -> Worst {
    let mut worst = Worst::default();
    let mut before: Option<(Vec<Duration>, Instant)> = None;
    loop {
        let mut beats = 0;
        let mut ended = false;
        let mut message = [0; 256];
        // If the test had to wait for the processor, there are several.
        socket.set_nonblocking(false).unwrap();
        while let Ok(length) = socket.recv(&mut message) {
            beats += u32::from(message[..length].starts_with(BEAT));
            ended |= message[..length].starts_with(END);
            socket.set_nonblocking(true).unwrap();
        }
        let used = match process.load(Ordering::Relaxed) {
            0 => None,
            id => processor_time(id),
        };
        let now = Instant::now();
        if let (Some((used_before, time)), Some(used)) = (&before, &used)
            && used.len() == used_before.len()
        {
            let used = used.iter().zip(used_before);
            let most = used
                .map(|(after, before)| after.saturating_sub(*before))
                .max();
            worst.deaf = worst.deaf.max(most.unwrap_or_default() / beats.max(1));
            worst.silent = worst.silent.max(now - *time);
        }
        if ended {
            return worst;
        }
        if beats > 0 {
            before = used.map(|used| (used, now));
        }
    }
}

/// What each worker of the process's main runtime has used so far. Threads for blocking work have the same name, and come later.
fn processor_time(process: u32) -> Option<Vec<Duration>> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let named = |path: &Path| fs::read_to_string(path.join("comm")).unwrap_or_default();
    let mut workers: Vec<(u32, Duration)> = tasks
        .filter_map(|task| {
            let path = task.ok()?.path();
            let id = path.file_name()?.to_str()?.parse().ok()?;
            let is_worker = named(&path).starts_with("tokio-rt-worker");
            let statistics =
                is_worker.then(|| fs::read_to_string(path.join("schedstat")).ok())??;
            let nanoseconds = statistics.split(' ').next()?.parse().ok()?;
            Some((id, Duration::from_nanos(nanoseconds)))
        })
        .collect();
    workers.sort_unstable();
    workers.truncate(available_parallelism().unwrap().get());
    Some(workers.into_iter().map(|(_, used)| used).collect())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::harness::eventually::{time_passes, until};

    struct Program(Child);

    impl Drop for Program {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    /// What is said of a program that runs this in a thread named like a worker, with pauses between beats.
    async fn watched(script: &str, pause: impl AsyncFn(u32)) -> Worst {
        let folder = tempfile::tempdir().unwrap();
        let shell = folder.path().join("tokio-rt-worker");
        std::os::unix::fs::symlink("/bin/sh", &shell).unwrap();
        let mut command = Command::new(shell);
        command.args(["-c", script]).stdin(Stdio::piped());
        let program = Program(command.spawn().unwrap());
        let id = program.0.id();
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let watch = std::thread::spawn(move || watch(&theirs, &AtomicU32::new(id)));
        // More than once, in case that the watch has to wait for the processor.
        for _ in 0..3 {
            ours.send(BEAT).unwrap();
            pause(id).await;
        }
        ours.send(BEAT).unwrap();
        ours.send(END).unwrap();
        watch.join().unwrap()
    }

    #[tokio::test]
    async fn who_works_between_two_beats_is_deaf() {
        let works = watched("while :; do :; done", async |id| {
            let used = || {
                processor_time(id)
                    .and_then(|used| used.first().copied())
                    .unwrap_or_default()
            };
            let before = used();
            until("it does not work", async || used() > before + 3 * DEAF).await;
        });
        assert!(works.await.deaf > DEAF);
    }

    #[tokio::test]
    async fn who_waits_between_two_beats_is_not_deaf() {
        let waits = watched("read line", async |_| time_passes(2 * DEAF).await).await;
        assert!(waits.deaf < DEAF && waits.silent > DEAF, "{waits:?}");
    }
}
