//! Hostile callers: guessed keys, injection, calls that a protection refuses, values of any size. And that no secret reaches the log.

mod bounds;
mod crowds;
mod fail2ban;
mod guessed_keys;
mod injection;
mod long_requests;
mod peers;
mod protection;
mod secrets;
mod signed;
mod terminal;
