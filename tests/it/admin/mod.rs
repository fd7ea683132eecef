//! The admin listener: access control, its `OpenAPI` document, and the management of webhooks.

mod access;
mod host;
mod openapi;
mod webhooks;
