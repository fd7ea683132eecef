//! Lists all options and suggests the closest one for an unknown name. Mirrors nothing in PHP.

use super::{
    admin, database, limits, log, mail, otlp, refused, relay, runs, server, shadow, smtp, wordpress,
};

const SECTIONS: [&[&str]; 13] = [
    server::KEYS,
    admin::KEYS,
    wordpress::KEYS,
    database::KEYS,
    smtp::KEYS,
    mail::KEYS,
    limits::KEYS,
    relay::KEYS,
    runs::KEYS,
    refused::KEYS,
    shadow::KEYS,
    log::KEYS,
    otlp::KEYS,
];

/// Beyond this edit distance, a suggestion would confuse more than help.
const FARTHEST: usize = 3;

/// Every option as `section.key`.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    SECTIONS.into_iter().flatten().copied()
}

pub(super) fn is_section(name: &str) -> bool {
    all().any(|key| {
        key.split_once('.')
            .is_some_and(|(section, _)| section == name)
    })
}

/// The option of the same name in another section, or else the one that differs in the fewest letters.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    let name = |key: &str| key.rsplit('.').next().map(str::to_owned);
    if let Some(elsewhere) = all().find(|known| name(known) == name(key)) {
        return Some(elsewhere);
    }
    all()
        .map(|known| (strsim::osa_distance(key, known), known))
        .filter(|(distance, _)| *distance <= FARTHEST)
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_lead_to_the_likeliest_option() {
        for (key, suggestion) in [
            ("server.listn", Some("server.listen")),
            ("sever.listen", Some("server.listen")),
            ("server.max_body_bytes", Some("limits.max_body_bytes")),
            ("database.urls", Some("database.url")),
            ("log.level", None),
            ("listen", Some("server.listen")),
            ("", None),
        ] {
            assert_eq!(nearest(key), suggestion, "{key}");
        }
    }
}
