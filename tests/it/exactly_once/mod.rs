//! Exactly-once effects: one user, one membership, one counted run, under collisions, retries, crashes and random
//! faults.

mod colliding_calls;
mod counted_by_calls;
mod crash;
mod idempotency;
mod recorded_together;
mod torture;
