//! Reads and writes PHP data as bytes: `serialize` and `unserialize` (PHP 8.2), and PHP's type conversions.
//!
//! WordPress stores arrays serialised in its tables. Data that is read here and written again is byte for byte what PHP
//! would have written, with keys in their order.

pub mod loose;
mod number;
mod parse;
mod value;
mod write;

pub use parse::{MAX_DEPTH, ParseError, parse};
pub use value::{Array, Float, Key, Object, Value};
