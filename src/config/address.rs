//! Addresses of the site, and names of hosts, that operators set outright.

use std::net::IpAddr;

use url::{Host, Url};

use super::problem::Flaw;

/// An `http` or `https` address of a folder, without its last slash.
pub(super) fn of_folder(text: &str) -> Result<String, Flaw> {
    let url = parse(text)?;
    if url.query().is_some() {
        return Err(Flaw::new(
            "has a query",
            "write the address only, e.g. \"https://www.example.org\"",
        ));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// An `http` or `https` address of a page, which may have a query.
pub(super) fn of_page(text: &str) -> Result<String, Flaw> {
    parse(text).map(|_| text.to_owned())
}

/// A host name of letters, digits and hyphens, or an IP address, with or without brackets. An international name becomes ASCII.
#[must_use]
pub fn host_name(text: &str) -> Option<Host> {
    let literal = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = literal.map(|literal| literal.strip_prefix("IPv6:").unwrap_or(literal));
    match address.unwrap_or(text).parse() {
        Ok(IpAddr::V4(address)) => return Some(Host::Ipv4(address)),
        Ok(IpAddr::V6(address)) => return Some(Host::Ipv6(address)),
        Err(_) => {}
    }
    let is_proper = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_alphanumeric())
    };
    match Host::parse(text.strip_suffix('.').unwrap_or(text)).ok()? {
        Host::Domain(name) if name.len() > 253 || !name.split('.').all(is_proper) => None,
        host => Some(host),
    }
}

fn parse(text: &str) -> Result<Url, Flaw> {
    let remedy = "write it in full, e.g. \"https://www.example.org\"";
    let url = Url::parse(text)
        .map_err(|error| Flaw::new(format!("is not an address ({error})"), remedy))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(Flaw::new("is not an address of a web site", remedy));
    }
    if url.fragment().is_some() || !url.username().is_empty() || text.contains(char::is_whitespace)
    {
        return Err(Flaw::new(
            "has parts that no link of a mail can have",
            remedy,
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_http_and_complete() {
        for (text, address) in [
            ("https://www.example.org/", "https://www.example.org"),
            ("http://example.org/wp", "http://example.org/wp"),
        ] {
            assert_eq!(of_folder(text).as_deref(), Ok(address));
        }
        for text in [
            "",
            "www.example.org",
            "ftp://example.org",
            "https://",
            "https://example.org/?a=1",
            "https://example.org/#a",
            "https://ann@example.org/",
            "https://example.org/a b",
        ] {
            assert!(of_folder(text).is_err(), "{text}");
        }
        for (text, host) in [
            ("Mail.example.org", "mail.example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("relay", "relay"),
            ("192.0.2.7", "192.0.2.7"),
            ("[192.0.2.7]", "192.0.2.7"),
            ("[IPv6:2001:db8::7]", "[2001:db8::7]"),
            ("2001:db8::7", "[2001:db8::7]"),
        ] {
            assert_eq!(
                host_name(text).map(|host| host.to_string()),
                Some(host.to_owned())
            );
        }
        let long = "a".repeat(64) + ".example";
        for text in [
            "",
            ".",
            "a b.example",
            "a_b.example",
            "-a.example",
            "a..example",
            "a.example:25",
            "a.example\r\nRSET",
            "999.0.0.0",
            "[a.example",
            "[a.example]",
            &long,
        ] {
            assert!(host_name(text).is_none(), "{text}");
        }
        assert_eq!(
            of_page("https://example.org/?door").as_deref(),
            Ok("https://example.org/?door")
        );
    }
}
