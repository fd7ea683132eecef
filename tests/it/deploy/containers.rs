//! `deploy/docker/compose.yaml`, as a site's own file is merged with it.

use std::net::IpAddr;

use ipnet::IpNet;

const COMPOSE: &str = include_str!("../../../deploy/docker/compose.yaml");
const NGINX: &str = include_str!("../../../deploy/nginx.conf");

/// The values of a key, wherever it is.
fn values<'a>(key: &str) -> Vec<&'a str> {
    let lines = COMPOSE.lines().filter_map(|line| {
        let value = line.trim_start_matches([' ', '-']).strip_prefix(key)?;
        let value = value.strip_prefix(": ")?.split(" #").next()?;
        Some(value.trim_matches('"'))
    });
    lines.collect()
}

#[test]
fn every_variable_for_containers_is_that_of_an_option() {
    let options = include_str!("../../../docs/configuration.md");
    let mut found = 0;
    for file in [COMPOSE, include_str!("../../../deploy/docker/Dockerfile")] {
        for rest in file.split("FCOM_SIDECAR__").skip(1) {
            let is_part = |c: char| c.is_ascii_uppercase() || c == '_';
            let name: String = rest.chars().take_while(|c| is_part(*c)).collect();
            let is_there = options.contains(&format!("`FCOM_SIDECAR__{name}`"));
            assert!(is_there, "{name}");
            found += 1;
        }
    }
    assert!(found > 10, "{found}");
}

/// Where Docker hides the addresses of callers, the web server sees its network's gateway in place of all of them: that must not be
/// trusted, or else what they claim in X-Forwarded-For is believed.
#[test]
fn the_web_server_alone_is_trusted() {
    let trusted = values("FCOM_SIDECAR__SERVER__TRUSTED_PROXIES");
    let addresses = values("ipv4_address");
    assert_eq!(trusted, addresses[..1]);
    let [subnet] = values("subnet")[..] else {
        panic!("one network is enough");
    };
    let subnet: IpNet = subnet.parse().unwrap();
    // Docker gives the gateway the first one.
    let gateway = subnet.hosts().next();
    // By its name the sidecar is reached through the site's network, too, in which the web server has another address.
    let upstream = format!("{}:8095", addresses[1]);
    assert!(NGINX.contains(&upstream) && COMPOSE.contains(&upstream));
    for address in addresses {
        let address: IpAddr = address.parse().unwrap();
        assert!(subnet.contains(&address) && gateway != Some(address));
    }
}
