//! Hostile callers: guessed keys, texts that would be code somewhere, calls that a protection refuses.

mod guessed_keys;
mod injection;
mod protection;
