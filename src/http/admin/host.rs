//! Answers requests on the admin listener only under names that are the operator's. A page on the internet can give its own
//! name this listener's address (DNS rebinding): to the browser, what the page then reads from here is the page's own.

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HOST;
use actix_web::http::uri::Authority;
use actix_web::middleware::Next;
use actix_web::{HttpRequest, web};

use super::super::Front;
use super::reply;

const UNKNOWN: &str = "This listener is not known under the name in Host: use its IP address or localhost, or add the name to \
    server.admin_hosts in the sidecar's configuration.";

/// Passes on what is addressed to an IP address, to `localhost` or to one of `server.admin_hosts`, and all that comes over
/// a Unix socket, which no browser uses.
pub(in crate::http) async fn check_host(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let front = request.app_data::<web::Data<Front>>();
    let rules = front.map(|front| front.rules.borrow().clone());
    let names = rules.map_or_else(Vec::new, |rules| rules.admin_hosts.clone());
    let strange = hosts(request.request()).find(|host| !is_ours(host, &names));
    if let (Some(host), Some(_)) = (strange, request.peer_addr()) {
        let host: String = host.chars().take(100).collect();
        tracing::info!("request refused: server.admin_listen is not known as {host:?}");
        let unknown = reply::error(StatusCode::MISDIRECTED_REQUEST, "unknown_host", UNKNOWN);
        return Ok(request.into_response(unknown));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Whom the client means to reach, with ports. Nobody, in a request of HTTP/1.0, which no browser sends.
pub(super) fn hosts(request: &HttpRequest) -> impl Iterator<Item = &str> {
    let in_target = request.uri().authority().map(Authority::as_str);
    let headers = request.headers().get_all(HOST);
    let in_headers = headers.map(|host| host.to_str().unwrap_or("\u{fffd}"));
    in_target.into_iter().chain(in_headers)
}

/// Whether no stranger's name can stand in this `host` or `host:port`.
fn is_ours(host: &str, names: &[String]) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let without_port = host.rsplit_once(':').filter(|(_, port)| is_port(port));
    let name = without_port.map_or(host, |(name, _)| name);
    if let Some(address) = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let address = address.split('%').next().unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name.is_empty()
        || name == "localhost"
        || name.parse::<Ipv4Addr>().is_ok()
        || names.iter().any(|known| *known == name || known == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_the_operator_gave_are_ours() {
        let names = ["sidecar.monitoring.svc".to_owned()];
        for host in [
            "127.0.0.1:9095",
            "10.2.3.4",
            "[::1]:9095",
            "[fe80::1%25eth0]",
            "localhost",
            "LocalHost.:9095",
            "Sidecar.monitoring.SVC:9095",
            "",
        ] {
            assert!(is_ours(host, &names), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9095",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "sidecar.monitoring.svc.evil.example",
            "evil.example#localhost",
            "localhost@evil.example",
            "[evil.example]",
            "[::1].evil.example",
            "localhost:evil",
            "localhost:80.evil.example",
            "\u{fffd}",
        ] {
            assert!(!is_ours(host, &names), "{host}");
        }
        assert!(is_ours("evil.example", &["*".to_owned()]));
    }
}
