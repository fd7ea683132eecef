//! Welcome mails: the promise that commits with the call, and delivery to the SMTP server.

mod bad_recipients;
mod hello;
mod late_mails;
mod line_ends;
mod odd_replies;
mod promise;
mod real_servers;
mod retention;
mod servers_failures;
mod smtp_server;
mod tls;
