//! The console: pages for operators, on the admin listener below `/console/`. Every page is a thin layer over `operations` and `check`,
//! which the commands and the JSON API use, too. Rendered here from `pages/`, so that nothing needs a script to be read, and nothing is
//! asked of another host.
//!
//! [`serve`](routes) is the only way in: it finds the session, checks what a form brought, and only then leads to a page.

mod answer;
mod assets;
mod charts;
mod check;
mod config;
mod desk;
mod gate;
mod hooks;
mod login;
mod mails;
mod mask;
mod news;
mod nonces;
mod once;
mod overview;
mod payload;
mod plan;
mod refused;
mod routes;
mod run;
mod runs;
mod sessions;
mod shadow;
mod shared;
mod spaces;
mod status;
mod templates;
mod text;
mod trial;
mod visit;
mod webhook;
mod webhook_changes;
mod webhooks;
mod work;
mod wp_admin;

pub use desk::Console;
pub(super) use routes::configure;
