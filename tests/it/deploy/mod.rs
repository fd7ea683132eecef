//! The files of `deploy/` in use: listeners, a service manager's sockets, units, front web servers.

mod containers;
mod handover;
mod listeners;
mod systemd;
mod web_servers;
