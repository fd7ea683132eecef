//! Checks the site's WordPress: what kind of site it is, and the options used for new users.

use super::options::{Options, skipped};
use super::report::Finding;
use super::version;
use crate::config::WordPress;
use crate::db::DatabaseError;
use crate::site;
use crate::wordpress::options::SiteOptions;
use crate::wordpress::php::loose;
use crate::wordpress::roles::{beyond_subscriber, role_is_privileged};
use crate::wordpress::time::SiteZone;

pub(super) const OPTIONS: &str = "options";
pub(super) const SITE_TIME_ZONE: &str = "site-time-zone";
pub(super) const MULTISITE: &str = "multisite";
pub(super) const DEFAULT_ROLE: &str = "default-role";
pub(super) const LANGUAGE: &str = "language";

pub(super) fn check(
    config: &WordPress,
    options: Result<&Options, &DatabaseError>,
    multisite: Finding,
) -> Vec<Finding> {
    let read = match options {
        Ok(_) => Finding::ok(OPTIONS, "readable"),
        Err(error) => Finding::failed(
            OPTIONS,
            error.to_string(),
            "correct wordpress.table_prefix, or grant SELECT on the options table",
        ),
    };
    let site = options.ok();
    let of_site = |name, judge: fn(&Options) -> Finding| site.map_or_else(|| skipped(name), judge);
    vec![
        read,
        version::check(config, site.map(|options| &options.site)),
        multisite,
        of_site(SITE_TIME_ZONE, time_zone),
        of_site(DEFAULT_ROLE, default_role),
        site.map_or_else(
            || skipped(LANGUAGE),
            |options| language(config, options.site.locale()),
        ),
    ]
}

/// If a language is missing from the site's own files, WordPress does not have it either.
fn language(config: &WordPress, locale: &str) -> Finding {
    let is_english = locale == "en" || locale.starts_with("en_");
    let catalogues = site::catalogues(config);
    if is_english || catalogues.of(locale).is_translated() {
        return Finding::ok(LANGUAGE, locale);
    }
    let content = &config.content;
    let obscured = content.obscured();
    if let Some(why) = catalogues.obstacle(locale).filter(|_| obscured.is_none()) {
        return Finding::warning(
            LANGUAGE,
            format!(
                "{locale}, without its translations: mails are in English, and names are put together as in English; {why}"
            ),
            "let the daemon's user read the file and its folders",
        );
    }
    if content.translations.is_none() && obscured.is_none() {
        return Finding::ok(LANGUAGE, locale);
    }
    let why = obscured.filter(|_| content.translations.is_none());
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    Finding::warning(
        LANGUAGE,
        format!(
            "{locale}, without its translations{why}: mails are in English, and names are put together as in English"
        ),
        format!(
            "let wordpress.content name the site's wp-content, or wordpress.languages a copy of wp-content/languages, \
             with {locale}.mo in it"
        ),
    )
}

fn time_zone(options: &Options) -> Finding {
    let SiteOptions {
        timezone_string,
        gmt_offset,
        ..
    } = &options.site;
    match SiteZone::from_options(timezone_string, gmt_offset) {
        Ok(_) if timezone_string.is_empty() => {
            let offset = if gmt_offset.is_empty() {
                "0"
            } else {
                gmt_offset
            };
            Finding::ok(SITE_TIME_ZONE, format!("UTC offset {offset}"))
        }
        Ok(_) => Finding::ok(SITE_TIME_ZONE, timezone_string.clone()),
        Err(error) => Finding::failed(
            SITE_TIME_ZONE,
            format!("{error}, and WordPress itself dies of it; the sidecar goes by gmt_offset"),
            "choose a time zone in Settings → General",
        ),
    }
}

fn default_role(options: &Options) -> Finding {
    let role = options.site.role();
    let roles = options.site.user_roles.as_deref();
    let choose = "choose a role in Settings → General → New User Default Role";
    if loose::is_empty(role.as_bytes()) {
        let found = "none: new users get no role, as with WordPress itself";
        return Finding::warning(DEFAULT_ROLE, found, choose);
    }
    let known = roles.and_then(super::options::array);
    if known.is_none_or(|known| known.get(role).is_none()) {
        return Finding::warning(
            DEFAULT_ROLE,
            format!("{role:?}, which is not among the site's roles: new users may do nothing"),
            choose,
        );
    }
    if role_is_privileged(role, roles) {
        return Finding::warning(
            DEFAULT_ROLE,
            format!(
                "{role}, which gives power over other people's accounts, content or code to everybody who is signed up"
            ),
            format!("{choose}: subscriber, for example"),
        );
    }
    let more = beyond_subscriber(role, roles);
    if !more.is_empty() {
        return Finding::warning(
            DEFAULT_ROLE,
            format!(
                "{role}, so that each call for a new address makes a user who may do more than a subscriber: {}",
                more.join(", ")
            ),
            format!("{choose}: subscriber, for example"),
        );
    }
    Finding::ok(DEFAULT_ROLE, role)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::Content;

    #[test]
    fn translations_are_missed_where_nothing_leads_to_them() {
        let mut config = config();
        let has = |config: &WordPress, locale, status: &str| {
            let finding = format!("{:?}", language(config, locale));
            assert!(finding.contains(status), "{finding}");
        };
        for (locale, status) in [("en_US", "Ok"), ("en_GB", "Ok"), ("ja", "Warning")] {
            has(&config, locale, status);
        }
        let folder = tempfile::tempdir().unwrap();
        config.content.folder = Some(folder.path().to_path_buf());
        config.content.doubt = None;
        has(&config, "ja", "Ok");
        config.content.doubt = Some("line 3 may set WP_CONTENT_DIR".to_owned());
        has(&config, "ja", "Warning");
        config.content.doubt = None;
        config.content.folder = Some("/nowhere".into());
        has(&config, "ja", "Warning");
        config.content.folder = Some(folder.path().to_path_buf());
        config.content.translations = Some("/nowhere".into());
        has(&config, "ja", "Warning");

        // Neither there nor missing: nobody can tell.
        config.content.translations = Some(folder.path().to_path_buf());
        std::os::unix::fs::symlink("ja.mo", folder.path().join("ja.mo")).unwrap();
        has(&config, "ja", "ja.mo cannot be read");
    }

    /// A site about which nothing is known.
    pub(in crate::check) fn config() -> WordPress {
        WordPress {
            root: None,
            table_prefix: "wp_".to_owned(),
            version: None,
            version_source: None,
            version_file: None,
            password_hash: crate::config::PasswordHash::Phpass,
            bcrypt_cost: 10,
            users_table: None,
            usermeta_table: None,
            content: Content {
                folder: None,
                translations: None,
                must_use_plugins: "wp-content/mu-plugins".to_owned(),
                doubt: Some("nothing is set".to_owned()),
            },
            blog: None,
            portal_slug: None,
            home_url: None,
            site_url: None,
            has_given_site_url: false,
            config_files: Vec::new(),
            forces_https: false,
            notes: Vec::new(),
        }
    }
}
