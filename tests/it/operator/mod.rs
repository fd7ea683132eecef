//! The operator's tools: commands, preconditions, metrics, the run log, reloads.

mod check;
mod command_line;
mod discovery;
mod grants;
mod import;
mod import_load;
mod instances;
mod metrics;
mod obstacles;
mod reload;
mod runs;
mod shadow;
mod sites;
