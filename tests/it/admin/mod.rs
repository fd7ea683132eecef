//! The admin listener: access control, its `OpenAPI` document, the management of webhooks, and the console.

mod access;
pub(crate) mod console;
mod host;
mod openapi;
mod webhooks;
