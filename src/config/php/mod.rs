//! Reads PHP source without running it: the text is split into [`tokens`], [`strings`] among them, and definitions with
//! a [`literal`] value are gathered into a [`PhpSource`].

mod literal;
mod source;
mod strings;
mod tokens;

pub(super) use literal::Value;
pub(super) use source::{Found, PhpSource};
