//! The admin listener: who may use it, its `OpenAPI` document, and the management of webhooks.

mod access;
mod openapi;
mod webhooks;
