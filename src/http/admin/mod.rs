//! The admin listener: health for operators and their load balancers, the management of webhooks with the paths of the
//! plugin's own REST API, and a description of it all.

mod access;
mod draft;
mod health;
mod openapi;
mod pages;
mod reply;
mod routes;
mod webhooks;

pub use access::Access;
pub(super) use health::not_found;
pub(super) use routes::configure;
