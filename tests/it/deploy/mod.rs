//! The files of `deploy/` at work: listeners, sockets of a service manager, units, web servers in front.

mod handover;
mod listeners;
mod systemd;
mod web_servers;
