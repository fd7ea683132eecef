//! Hostile callers: guessed keys, texts that would be code somewhere, calls that a protection refuses. And that
//! the log tells no secret.

mod guessed_keys;
mod injection;
mod protection;
mod secrets;
