//! One user, one membership, one counted run: under collisions, repetitions, crashes and random faults.

mod colliding_calls;
mod crash;
mod idempotency;
mod torture;
