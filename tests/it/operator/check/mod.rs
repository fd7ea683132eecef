//! `fcom-sidecar check`: it passes on a healthy site, and names what is missing on any other.

mod access;
mod exposure;
mod preconditions;
