//! Hostile callers: guessed keys, injection, calls that a protection refuses. And that no secret reaches the log.

mod guessed_keys;
mod injection;
mod protection;
mod secrets;
