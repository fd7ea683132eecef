//! Password hashes made together beside hashes made one by one, on one thread.

use std::hint::black_box;
use std::time::{Duration, Instant};

use fcom_sidecar::wordpress::password::{Scheme, TOGETHER, hash, hash_together};

use crate::Options;

/// Measures in turns, so that a change in the machine's speed affects both, and prints medians.
pub(crate) fn run(options: &Options) {
    println!(
        "| phpass hashes | one by one, ms | together, ms | a second, together | together over one by one |"
    );
    println!("| --- | --- | --- | --- | --- |");
    let passwords: Vec<String> = (0..TOGETHER)
        .map(|number| format!("correct horse {number}"))
        .collect();
    let passwords: Vec<&[u8]> = passwords.iter().map(String::as_bytes).collect();
    for count in 1..=TOGETHER {
        let passwords = &passwords[..count];
        let (mut alone, mut together) = (Vec::new(), Vec::new());
        let began = Instant::now();
        while began.elapsed().as_secs_f64() < options.seconds || alone.len() < options.repeats {
            alone.push(time(|| {
                for password in passwords {
                    let _ = black_box(hash(password, Scheme::Phpass));
                }
            }));
            together.push(time(|| drop(black_box(hash_together(passwords)))));
        }
        let [alone, together] = [alone, together].map(median);
        println!(
            "| {count} | {:.2} | {:.2} | {:.0} | {:.1} |",
            alone.as_secs_f64() * 1e3,
            together.as_secs_f64() * 1e3,
            count as f64 / together.as_secs_f64(),
            alone.as_secs_f64() / together.as_secs_f64(),
        );
    }
}

fn time(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
