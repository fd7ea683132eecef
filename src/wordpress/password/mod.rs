//! Handles passwords: WordPress's stored hashes and its random passwords.
//!
//! Mirrors `wp_hash_password`, `wp_check_password` and `wp_generate_password` of WordPress 5.9 to
//! 7.1. Passwords are bytes and arrive slashed, because `wp-login.php` compares the slashed form.
//! Hashing takes milliseconds (phpass) to tenths of a second (bcrypt), so call it on the blocking
//! pool.

mod generate;
mod hash;
mod lanes;
mod shape;
mod together;
mod unmatched;
mod verify;

pub use generate::generate;
pub use hash::{HashError, MAX_LENGTH, Scheme, hash};
pub use shape::{is_hash, is_md5};
pub use together::{TOGETHER, company, hash_together};
pub use unmatched::unmatched_hash;
pub use verify::verify;
