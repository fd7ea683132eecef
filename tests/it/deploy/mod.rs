//! The files of `deploy/` in use: listeners, a service manager's sockets, units, front web servers, the package.

mod containers;
mod handover;
mod listeners;
mod package;
mod systemd;
mod web_servers;
