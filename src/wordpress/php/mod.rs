//! PHP's data as bytes: `serialize` and `unserialize` (PHP 8.2), and the conversions PHP makes between types.
//!
//! WordPress keeps arrays serialised in its tables. What is read here and written again comes out byte for byte as PHP
//! would have written it, with keys in their order.

pub mod loose;
mod number;
mod parse;
mod value;
mod write;

pub use parse::{MAX_DEPTH, ParseError, parse};
pub use value::{Array, Float, Key, Object, Value};
