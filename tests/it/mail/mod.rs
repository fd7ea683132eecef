//! Welcome mails: the promise that commits with the call, and the SMTP server that gets them.

mod promise;
mod smtp_server;
