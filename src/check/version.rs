//! Checks the version of the site's WordPress, and how it was determined.

use super::options::skipped;
use super::report::Finding;
use crate::config::WordPress;
use crate::wordpress::options::SiteOptions;
use crate::wordpress::version::Version;

pub(super) const VERSION: &str = "wordpress-version";

/// The version and how it was determined; without `site`, as far as the configuration tells.
pub(super) fn check(config: &WordPress, site: Option<&SiteOptions>) -> Finding {
    let Some((text, source)) = config.version.as_ref().zip(config.version_source.as_ref()) else {
        return site.map_or_else(|| skipped(VERSION), version_in_database);
    };
    let Ok(version) = text.parse::<Version>() else {
        return Finding::failed(
            VERSION,
            format!("{text:?} (from {source}) is not a version"),
            SAY_IT,
        );
    };
    let found = format!("{version}, from {source}");
    if let Some(finding) = unsupported(version, &found) {
        return finding;
    }
    let is_running = config.version_file.is_some();
    match site.and_then(|site| contradiction(version, is_running, site)) {
        Some(other) => Finding::warning(
            VERSION,
            format!("{found}, but {other}"),
            "finish the upgrade (open wp-admin as an administrator), or correct what is wrong",
        ),
        None => Finding::ok(VERSION, found),
    }
}

const SAY_IT: &str = "set wordpress.root, or wordpress.version to what wp-admin shows";

fn version_in_database(site: &SiteOptions) -> Finding {
    let Some(found) = site.version() else {
        let number = site
            .db_version
            .map_or_else(|| "missing".to_owned(), |number| number.to_string());
        return Finding::failed(
            VERSION,
            format!("not recognised: db_version is {number}, and 5.9 is the oldest that is served"),
            format!("{SAY_IT}; upgrade WordPress if it is older than 5.9"),
        );
    };
    let source = match site.last_run() {
        Some(_) => "the transient wp_core_block_css_files",
        None => "db_version",
    };
    let version = found.version;
    if found.exact {
        let found = format!("{version}, from {source}");
        return unsupported(version, &found).unwrap_or_else(|| Finding::ok(VERSION, found));
    }
    let (candidates, difference) = candidates(version);
    Finding::warning(
        VERSION,
        format!("{candidates}, from {source}; served as {version}. They differ in {difference}"),
        SAY_IT,
    )
}

fn unsupported(version: Version, found: &str) -> Option<Finding> {
    if version < Version::OLDEST {
        let found = format!("{found}; 5.9 is the oldest that is served");
        return Some(Finding::failed(VERSION, found, "upgrade WordPress"));
    }
    version.is_unknown().then(|| {
        Finding::warning(
            VERSION,
            format!("{found}; behaves as {}", Version::NEWEST),
            "look for a release of the sidecar that knows this version",
        )
    })
}

/// The database's evidence, if it contradicts this version. `is_running`: the version is that of the site's files, so that an older one
/// in the transient is left from before an object cache kept the transients.
fn contradiction(version: Version, is_running: bool, site: &SiteOptions) -> Option<String> {
    let is_remnant = |running: &Version| is_running && *running < version;
    if let Some(running) = site.last_run().filter(|running| !is_remnant(running)) {
        return (running != version)
            .then(|| format!("the site last ran {running} (transient wp_core_block_css_files)"));
    }
    let (expected, number) = (version.db_version()?, site.db_version?);
    (expected != number)
        .then(|| format!("db_version is {number}, and {version} comes with {expected}"))
}

/// The releases that share a `db_version` with `oldest`, and how new users differ between them.
fn candidates(oldest: Version) -> (String, &'static str) {
    let (newest, difference) = match (oldest.major, oldest.minor) {
        (5, 9) => ("6.0", "the option user_count, which 6.0 maintains"),
        (6, 0) => (
            "6.2",
            "letters with combining accents, which 6.1 composes before it makes a nicename",
        ),
        (6, 5) => ("6.6", "the autoload value of new options"),
        (6, 7) => (
            "6.8.1",
            "the hash of passwords and reset keys, which is bcrypt from 6.8 on",
        ),
        (7, 0) => (
            "7.1",
            "the usermeta infinite_scrolling and the welcome mail's text",
        ),
        _ => ("a development build after it", "nothing that is known"),
    };
    (format!("{oldest} to {newest}"), difference)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(version: Option<&str>) -> WordPress {
        WordPress {
            version: version.map(ToOwned::to_owned),
            version_source: version.map(|_| "wordpress.version".to_owned()),
            ..crate::check::wordpress::tests::config()
        }
    }

    fn transient(version: &str) -> Vec<u8> {
        let length = version.len();
        format!(r#"a:2:{{s:7:"version";s:{length}:"{version}";s:5:"files";"#).into_bytes()
    }

    #[test]
    fn what_an_object_cache_has_left_is_no_evidence_against_the_files() {
        let mut config = config(Some("6.8.3"));
        config.version_file = Some("/site/wp-includes/version.php".into());
        let of = |in_transient: &str, db_version| SiteOptions {
            db_version: Some(db_version),
            block_css_files: transient(in_transient),
            ..SiteOptions::default()
        };
        for (site, status) in [
            (of("6.8.2", 60_421), "Ok"),
            (of("6.8.2", 58_975), "Warning"),
            (of("6.9", 60_421), "Warning"),
        ] {
            let finding = format!("{:?}", check(&config, Some(&site)));
            assert!(finding.contains(&format!("status: {status}")), "{finding}");
        }
    }

    #[test]
    fn the_version_is_judged_with_all_that_is_known_of_it() {
        for (configured, in_transient, db_version, status, said) in [
            (
                Some("7.1"),
                "7.1",
                61_833,
                "Ok",
                "7.1, from wordpress.version",
            ),
            (Some("7.1"), "", 61_833, "Ok", "7.1"),
            (
                Some("7.1"),
                "7.0.4",
                61_833,
                "Warning",
                "the site last ran 7.0.4",
            ),
            (Some("7.1"), "", 58_975, "Warning", "7.1 comes with 61833"),
            (Some("7.2"), "", 70_000, "Warning", "behaves as 7.1"),
            (Some("5.8"), "", 49_752, "Failed", "5.9 is the oldest"),
            (None, "6.8.8", 60_421, "Ok", "6.8.8, from the transient"),
            (None, "", 60_421, "Ok", "6.8.2, from db_version"),
            (
                None,
                "",
                58_975,
                "Warning",
                "6.7 to 6.8.1, from db_version; served as 6.7",
            ),
            (None, "", 61_833, "Warning", "infinite_scrolling"),
            (None, "", 49_752, "Failed", "db_version is 49752"),
            (None, "7.2", 61_900, "Warning", "behaves as 7.1"),
            // Left there since an object cache keeps the transients.
            (Some("7.1"), "6.4", 61_833, "Ok", "7.1"),
            (None, "6.4", 60_421, "Ok", "6.8.2, from db_version"),
        ] {
            let site = SiteOptions {
                db_version: Some(db_version),
                block_css_files: transient(in_transient),
                ..SiteOptions::default()
            };
            let finding = format!("{:?}", check(&config(configured), Some(&site)));
            let status = format!("status: {status}");
            assert!(
                finding.contains(&status) && finding.contains(said),
                "{finding}"
            );
        }
    }
}
