//! Welcome mails: the promise that commits with the call, and delivery to the SMTP server.

mod hello;
mod line_ends;
mod promise;
mod real_servers;
mod smtp_server;
mod tls;
