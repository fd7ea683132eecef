//! Checks who else on this machine may know a secret or say where calls come from: modes of the files that hold secrets,
//! secrets that are used twice, and trusted addresses that anybody may have.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;

use super::report::Finding;
use crate::config::{Config, Listen};

const SECRET_FILES: &str = "secret-files";
const SECRETS: &str = "secrets";
const CALLERS: &str = "caller-addresses";

/// All of these checks.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = files(config);
    findings.push(reuse(config));
    findings.extend(callers(config));
    findings
}

/// Who may read or change the files that hold secrets.
fn files(config: &Config) -> Vec<Finding> {
    let accounts = Accounts::read();
    let mut findings = Vec::new();
    for path in &config.secret_files {
        // A relative path, or links on the way, must not hide a folder that keeps others out.
        let Ok(path) = path.canonicalize() else {
            continue;
        };
        let Ok(file) = fs::metadata(&path) else {
            continue;
        };
        if let Some(flaw) = flaw(&file, &path, &accounts) {
            findings.push(Finding::warning(
                SECRET_FILES,
                format!("{} holds a secret and {flaw}", path.display()),
                format!(
                    "chown root:fcom-sidecar {0} and chmod 0640 {0}, with the group of the daemon's user; in a container, \
                     mount it with mode 0400 for that user; then replace the secrets in it if others may have seen them",
                    path.display()
                ),
            ));
        }
    }
    if findings.is_empty() {
        let found = match config.secret_files.len() {
            0 => "no file holds secrets".to_owned(),
            count => format!("{count}, which others can neither read nor change"),
        };
        findings.push(Finding::ok(SECRET_FILES, found));
    }
    findings
}

/// What others can do with a file, in words.
fn flaw(file: &Metadata, path: &Path, accounts: &Accounts) -> Option<String> {
    let folders: Vec<Metadata> = path
        .ancestors()
        .skip(1)
        .filter_map(|folder| fs::metadata(folder).ok())
        .collect();
    let all_open = folders.iter().all(|folder| folder.mode() & 0o001 != 0);
    let group = file.gid();
    let group_passes = folders.iter().all(|folder| {
        folder.mode() & 0o001 != 0 || folder.gid() == group && folder.mode() & 0o010 != 0
    });
    let mode = file.permissions().mode();
    let shown = mode & 0o7777;
    if all_open && mode & 0o002 != 0 {
        return Some(format!("can be changed by everybody (mode {shown:04o})"));
    }
    if all_open && mode & 0o004 != 0 {
        return Some(format!("can be read by everybody (mode {shown:04o})"));
    }
    let (name, members) = accounts.of_group(group, file.uid());
    if !group_passes || mode & 0o060 == 0 || members.len() < 2 {
        return None;
    }
    let verb = if mode & 0o020 == 0 { "read" } else { "changed" };
    Some(format!(
        "can be {verb} by the group {name} (mode {shown:04o}): {}",
        members.join(", ")
    ))
}

/// The local users and groups.
struct Accounts {
    users: String,
    groups: String,
}

impl Accounts {
    fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            users: read("/etc/passwd"),
            groups: read("/etc/group"),
        }
    }

    /// A group's name, and its members but root and the file's owner.
    fn of_group(&self, id: u32, owner: u32) -> (String, Vec<&str>) {
        let id = id.to_string();
        let group = self.groups.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
            (number == id).then(|| (name, fields.next().unwrap_or_default()))
        });
        let (name, listed) = group.unwrap_or((&id, ""));
        let owner = owner.to_string();
        let mut members: Vec<&str> = listed.split(',').filter(|name| !name.is_empty()).collect();
        for line in self.users.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if let [user, _, number, group, ..] = fields.as_slice() {
                if *number == "0" || *number == owner {
                    members.retain(|member| member != user);
                } else if *group == id && !members.contains(user) {
                    members.push(user);
                }
            }
        }
        (name.to_owned(), members)
    }
}

/// Secrets that stand for two things: who learns one of them has both.
fn reuse(config: &Config) -> Finding {
    let mut uses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut note = |text: &str, what: String| {
        let text = text.trim().trim_start_matches("whsec_");
        let known = uses.entry(text.trim_end_matches('=').to_owned());
        let whats = known.or_default();
        // A protection may list a secret twice.
        if !text.is_empty() && !whats.contains(&what) {
            whats.push(what);
        }
    };
    let database = config.database.target.password();
    let database = percent_decode_str(database.expose_secret()).decode_utf8_lossy();
    note(&database, "the database password".to_owned());
    if let Some(password) = config.smtp.password() {
        note(
            password.expose_secret(),
            "the password in smtp.url".to_owned(),
        );
    }
    if let Some(token) = &config.admin.token {
        note(token.expose_secret(), "admin.token".to_owned());
    }
    if let Some(secret) = &config.relay.secret {
        note(secret.expose_secret(), "relay.secret".to_owned());
    }
    for protection in &config.protections {
        for secret in protection.secrets.iter().flatten() {
            let text = STANDARD_NO_PAD.encode(secret.expose_secret());
            note(
                &text,
                format!("secrets of [protection.{}]", protection.name),
            );
        }
    }
    let count = uses.values().filter(|whats| !whats.is_empty()).count();
    let twice: Vec<String> = uses
        .into_values()
        .filter(|whats| whats.len() > 1)
        .map(|whats| whats.join(" = "))
        .collect();
    if twice.is_empty() {
        return Finding::ok(SECRETS, format!("{count}, each used for one thing"));
    }
    Finding::warning(
        SECRETS,
        format!("used for more than one thing: {}", twice.join("; ")),
        "give each a secret of its own, e.g. from \"openssl rand -hex 32\" (for a protection: echo \"whsec_$(openssl rand \
         -base64 32)\"): who learns one of them could use the other",
    )
}

/// Whether `allowed_networks` holds against everybody who can reach the listener; `None` where nothing depends on it.
fn callers(config: &Config) -> Option<Finding> {
    let names: Vec<String> = config
        .protections
        .iter()
        .filter(|protection| protection.allowed_networks.is_some())
        .map(|protection| format!("[protection.{}]", protection.name))
        .collect();
    if names.is_empty() {
        return None;
    }
    let names = names.join(", ");
    let (server, trusted) = (&config.server, &config.server.trusted_proxies);
    let trusts = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let local = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    let trusts_local = local.into_iter().any(trusts);
    if trusted.iter().any(|network| network.prefix_len() == 0) {
        return Some(Finding::warning(
            CALLERS,
            format!(
                "server.trusted_proxies has every address in it, so that whoever reaches server.listen can claim to call \
                 from the allowed_networks of {names}"
            ),
            "list only the addresses of your web servers",
        ));
    }
    if let Some(wide) = trusted.iter().find(|network| holds_strangers(network)) {
        return Some(Finding::warning(
            CALLERS,
            format!(
                "server.trusted_proxies has {wide} in it, and every machine or container there can claim to call from the \
                 allowed_networks of {names}; where Docker hides the addresses of callers behind its gateway, every caller can"
            ),
            "list only the addresses of your web servers; give one in a container a fixed address, as \
             deploy/docker/compose.yaml does",
        ));
    }
    Some(match &server.listen {
        Listen::Tcp(_) if trusts_local => Finding::warning(
            CALLERS,
            format!(
                "every user and every site on this machine can connect to {} and claim to call from the allowed_networks of \
                 {names}, because server.trusted_proxies has loopback addresses in it",
                server.listen
            ),
            "if others than the web server run programs on this machine: let fcom-sidecar.socket make a Unix socket that only the \
             web server's group can open (SocketGroup=, SocketMode=0660), name it in server.listen, and set \
             server.trusted_proxies = []",
        ),
        Listen::Tcp(address) if address.ip().is_loopback() => Finding::warning(
            CALLERS,
            format!(
                "no proxy on this machine is trusted, so that all calls seem to come from the web server's own address, and \
                 the allowed_networks of {names} admit all of them or none"
            ),
            "add the web server's address to server.trusted_proxies, or let server.listen be a Unix socket",
        ),
        Listen::Unix(_) if server.socket_mode & 0o002 != 0 => Finding::warning(
            CALLERS,
            format!(
                "every user of this machine can open {} and claim to call from the allowed_networks of {names}",
                server.listen
            ),
            "set server.socket_mode = \"0660\", and let fcom-sidecar.socket make the socket with the web server's group (SocketGroup=); \
             the daemon's own group may read its secrets, so the web server's user must not be in it",
        ),
        Listen::Tcp(_) | Listen::Unix(_) => Finding::ok(
            CALLERS,
            format!(
                "the allowed_networks of {names} are compared with what trusted proxies report"
            ),
        ),
    })
}

/// Whether a network has others in it than proxies: a private one that is as large as Docker makes them. A content delivery
/// network's are public and large, and all theirs; the machines of a load balancer share a private one of 256 addresses at most.
fn holds_strangers(network: &IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.addr().is_private() && network.prefix_len() < 24,
        IpNet::V6(network) => network.addr().is_unique_local() && network.prefix_len() < 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            users:
                "root:x:0:0::/:\nann:x:1000:1000::/:\nbob:x:1001:100::/:\nsidecar:x:995:995::/:\n"
                    .to_owned(),
            groups: "root:x:0:\nusers:x:100:ann,root\nsidecar:x:995:\n".to_owned(),
        }
    }

    #[test]
    fn private_networks_as_large_as_dockers_hold_strangers() {
        for (network, expected) in [
            ("172.16.0.0/12", true),
            ("172.18.0.0/16", true),
            ("10.0.0.0/8", true),
            ("fd00::/8", true),
            ("172.18.0.0/24", false),
            ("172.31.95.2/32", false),
            ("fd12:3456:789a:1::/64", false),
            ("127.0.0.0/8", false),
            ("::1/128", false),
            ("104.16.0.0/13", false),
            ("2400:cb00::/32", false),
        ] {
            assert_eq!(
                holds_strangers(&network.parse().unwrap()),
                expected,
                "{network}"
            );
        }
    }

    #[test]
    fn a_group_s_members_are_those_listed_and_those_whose_own_it_is() {
        let accounts = accounts();
        let members = |group, owner| accounts.of_group(group, owner);
        assert_eq!(members(100, 0), ("users".to_owned(), vec!["ann", "bob"]));
        assert_eq!(members(100, 1000), ("users".to_owned(), vec!["bob"]));
        assert_eq!(members(995, 0), ("sidecar".to_owned(), vec!["sidecar"]));
        assert_eq!(members(7, 0), ("7".to_owned(), vec![]));
    }

    #[test]
    fn files_are_exposed_by_their_modes_and_those_of_their_folders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("secret");
        fs::write(&path, "secret").unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let gid = fs::metadata(&path).unwrap().gid();
        let two = format!("shared:x:{gid}:ann,bob\n");
        let two = Accounts {
            users: String::new(),
            groups: two,
        };
        for (of_folder, mode, said) in [
            (0o755, 0o644, Some("read by everybody (mode 0644)")),
            (0o755, 0o666, Some("changed by everybody")),
            (0o755, 0o600, None),
            (
                0o755,
                0o640,
                Some("read by the group shared (mode 0640): ann, bob"),
            ),
            (0o755, 0o660, Some("changed by the group shared")),
            (0o700, 0o666, None),
            (0o750, 0o640, Some("read by the group shared")),
            (0o750, 0o644, Some("read by the group shared")),
        ] {
            set(folder.path(), of_folder);
            set(&path, mode);
            let found = flaw(&fs::metadata(&path).unwrap(), &path, &two);
            let fits = match said {
                Some(said) => found.as_ref().is_some_and(|found| found.contains(said)),
                None => found.is_none(),
            };
            assert!(fits, "{of_folder:o} {mode:o}: {found:?}");
        }
        set(&path, 0o640);
        assert_eq!(
            flaw(&fs::metadata(&path).unwrap(), &path, &accounts()),
            None
        );
    }
}
