//! Hashes the passwords of new users on a bounded number of threads, several at a time while several wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use secrecy::{ExposeSecret, SecretSlice};
use tokio::sync::{Semaphore, oneshot};

use crate::telemetry::Metrics;
use crate::wordpress::password::{self, HashError, Scheme};

/// The passwords that wait, and the threads that hash them.
///
/// Each caller waits for its hash or for a thread, whichever comes first. Whoever gets a thread has it hash the password
/// that has waited for longest, together with those waiting that take no more time. So nobody waits for company, and the
/// number of those who wait is that of their calls.
pub struct Hashing {
    threads: Arc<Semaphore>,
    waiting: Mutex<VecDeque<Waiting>>,
}

struct Waiting {
    password: SecretSlice<u8>,
    scheme: Scheme,
    answer: oneshot::Sender<Result<String, HashError>>,
}

impl Hashing {
    /// On this many threads.
    pub fn new(threads: usize) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(threads)),
            waiting: Mutex::default(),
        }
    }

    /// Waits for a thread and hashes the password (slashed, as [`password::hash`] takes it).
    ///
    /// # Errors
    /// As [`password::hash`], or its thread has panicked.
    pub(super) async fn hash(
        &self,
        password: SecretSlice<u8>,
        scheme: Scheme,
        metrics: &Arc<Metrics>,
    ) -> Result<String, HashError> {
        let (answer, mut hash) = oneshot::channel();
        self.lock().push_back(Waiting {
            password,
            scheme,
            answer,
        });
        metrics.waiting_for_hash.inc();
        loop {
            let thread = tokio::select! {
                biased;
                hash = &mut hash => return hash.unwrap_or(Err(HashError::Panicked)),
                thread = Arc::clone(&self.threads).acquire_owned() => thread.expect("nobody closes it"),
            };
            let together = self.next(metrics);
            if together.is_empty() {
                // Another thread has it.
                drop(thread);
                return hash.await.unwrap_or(Err(HashError::Panicked));
            }
            let metrics = Arc::clone(metrics);
            tokio::task::spawn_blocking(move || {
                hash_together(together, &metrics);
                drop(thread);
            });
        }
    }

    /// Takes the password that has waited for longest, and its company. Those whose callers have gone are dropped.
    fn next(&self, metrics: &Metrics) -> Vec<Waiting> {
        let mut waiting = self.lock();
        let before = waiting.len();
        waiting.retain(|one| !one.answer.is_closed());
        let mut together: Vec<Waiting> = waiting.pop_front().into_iter().collect();
        if let Some(company) = together.first().and_then(Waiting::company) {
            let mut at = 0;
            while at < waiting.len() && together.len() < password::TOGETHER {
                if waiting[at].company() == Some(company) {
                    together.extend(waiting.remove(at));
                } else {
                    at += 1;
                }
            }
        }
        let taken = i64::try_from(before - waiting.len()).unwrap_or_default();
        metrics.waiting_for_hash.dec_by(taken);
        together
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn company(&self) -> Option<usize> {
        password::company(self.password.expose_secret(), self.scheme)
    }
}

fn hash_together(together: Vec<Waiting>, metrics: &Metrics) {
    let started = Instant::now();
    let hashes = match together.as_slice() {
        [one] => vec![password::hash(one.password.expose_secret(), one.scheme)],
        several => {
            let passwords: Vec<&[u8]> = several
                .iter()
                .map(|one| one.password.expose_secret())
                .collect();
            password::hash_together(&passwords)
        }
    };
    let took = started.elapsed().as_secs_f64();
    for (one, hash) in together.into_iter().zip(hashes) {
        metrics.hash_seconds.observe(took);
        // Its caller may have gone.
        let _ = one.answer.send(hash);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    const PHPASS: Scheme = Scheme::Phpass;

    fn metrics() -> Arc<Metrics> {
        Arc::new(Metrics::new(DateTime::UNIX_EPOCH, &[], &[]))
    }

    fn secret(text: &str) -> SecretSlice<u8> {
        text.as_bytes().to_vec().into()
    }

    /// The texts that the next thread would hash.
    fn next(hashing: &Hashing, metrics: &Metrics) -> Vec<String> {
        let together = hashing.next(metrics);
        let text = |one: &Waiting| String::from_utf8(one.password.expose_secret().to_vec());
        together.iter().map(|one| text(one).unwrap()).collect()
    }

    #[tokio::test]
    async fn everybody_gets_the_hash_of_their_own_password() {
        let (hashing, metrics) = (Hashing::new(1), metrics());
        let bcrypt = Scheme::Bcrypt { cost: 4 };
        let passwords: Vec<String> = (0..11).map(|number| format!("pass {number}")).collect();
        let hashes = join_all(passwords.iter().enumerate().map(|(number, password)| {
            let scheme = if number % 5 == 3 { bcrypt } else { PHPASS };
            hashing.hash(secret(password), scheme, &metrics)
        }));
        for (password, hash) in passwords.iter().zip(hashes.await) {
            assert!(password::verify(password.as_bytes(), &hash.unwrap()));
        }
        assert_eq!(metrics.waiting_for_hash.get(), 0);
    }

    #[tokio::test]
    async fn the_first_one_is_hashed_with_those_that_take_no_more_time() {
        let (hashing, metrics) = (Hashing::new(0), metrics());
        let long = "a long one ".repeat(10);
        let passwords = ["one", &long, "two", "bcrypt", "three"];
        let mut waiting: Vec<_> = passwords
            .iter()
            .map(|password| {
                let bcrypt = Scheme::Bcrypt { cost: 4 };
                let scheme = if *password == "bcrypt" {
                    bcrypt
                } else {
                    PHPASS
                };
                Box::pin(hashing.hash(secret(password), scheme, &metrics))
            })
            .collect();
        for call in &mut waiting {
            assert!(call.now_or_never().is_none());
        }
        assert_eq!(metrics.waiting_for_hash.get(), 5);
        assert_eq!(next(&hashing, &metrics), ["one", "two", "three"]);
        assert_eq!(next(&hashing, &metrics), [long.as_str()]);
        assert_eq!(next(&hashing, &metrics), ["bcrypt"]);
        assert_eq!(metrics.waiting_for_hash.get(), 0);
    }

    #[tokio::test]
    async fn no_more_are_hashed_together_than_take_the_time_of_one() {
        let (hashing, metrics) = (Hashing::new(0), metrics());
        let mut waiting: Vec<_> = (0..=password::TOGETHER)
            .map(|_| Box::pin(hashing.hash(secret("x"), PHPASS, &metrics)))
            .collect();
        for call in &mut waiting {
            assert!(call.now_or_never().is_none());
        }
        assert_eq!(next(&hashing, &metrics).len(), password::TOGETHER);
        assert_eq!(next(&hashing, &metrics).len(), 1);
        assert!(next(&hashing, &metrics).is_empty());
    }

    #[tokio::test]
    async fn nothing_is_hashed_for_a_caller_who_has_gone() {
        let (hashing, metrics) = (Hashing::new(0), metrics());
        let mut stays = Box::pin(hashing.hash(secret("stays"), PHPASS, &metrics));
        let mut goes = Box::pin(hashing.hash(secret("goes"), PHPASS, &metrics));
        assert!((&mut goes).now_or_never().is_none());
        assert!((&mut stays).now_or_never().is_none());
        drop(goes);
        assert_eq!(next(&hashing, &metrics), ["stays"]);
        assert_eq!(metrics.waiting_for_hash.get(), 0);
    }

    #[tokio::test]
    async fn a_thread_that_dies_fails_only_the_calls_that_it_hashed_for() {
        let (hashing, metrics) = (Hashing::new(1), metrics());
        let lost = hashing.threads.try_acquire().unwrap();
        let mut call = Box::pin(hashing.hash(secret("x"), PHPASS, &metrics));
        assert!((&mut call).now_or_never().is_none());
        drop(hashing.next(&metrics));
        assert!(matches!(call.await, Err(HashError::Panicked)));
        drop(lost);
        let next = hashing.hash(secret("y"), PHPASS, &metrics).await;
        assert!(password::verify(b"y", &next.unwrap()));
    }
}
