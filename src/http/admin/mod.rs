//! The admin listener: health and metrics for operators, their load balancers and Prometheus, the run log, webhook
//! management under the paths of the plugin's own REST API, and the `OpenAPI` document.

mod access;
mod credentials;
mod draft;
mod health;
mod host;
mod identity;
mod metrics;
mod openapi;
mod pages;
mod record;
mod refused;
mod reply;
mod routes;
mod runs;
mod shadow;
mod shapes;
mod trials;
mod webhooks;

pub(super) use access::{LONGEST_CREDENTIALS, is_from_elsewhere, peer};
pub(super) use credentials::Access;
pub(super) use draft::{Draft, fields};
pub(super) use health::not_found;
pub(super) use host::check_host;
pub(super) use identity::{Operator, Refusal, Standing, confirm, password, token};
pub(super) use reply::unread;
pub(super) use routes::configure;
