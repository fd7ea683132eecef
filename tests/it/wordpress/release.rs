//! The version of Debian's WordPress package, and the sample site that matches it.

use std::fs;

use super::PREFIX;
use crate::harness::site::{FIXTURES, Site};

const VERSION: &str = "/usr/share/wordpress/wp-includes/version.php";

/// The release of Debian's package, such as `6.8.3`.
pub(super) fn version() -> String {
    let text = fs::read_to_string(VERSION)
        .unwrap_or_else(|error| panic!("{VERSION}: {error}: is the package wordpress installed?"));
    let version = text.split_once("$wp_version = '").unwrap().1;
    version.split_once('\'').unwrap().0.to_owned()
}

/// Whether the package is this release or a later one.
pub(super) fn is_since(major: u32, minor: u32) -> bool {
    numbers(&version()) >= [major, minor]
}

/// The first two numbers of a version.
fn numbers(version: &str) -> [u32; 2] {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap());
    std::array::from_fn(|_| numbers.next().unwrap())
}

/// A sample site for that release: from the newest fixture that is not newer, with another prefix.
pub(super) async fn sample_site() -> Site {
    let installed = numbers(&version());
    let fixtures = FIXTURES.iter();
    let known = fixtures.filter(|fixture| numbers(fixture.wordpress) <= installed);
    let newest = known.max_by_key(|fixture| numbers(fixture.wordpress));
    let mut site = Site::new(newest.unwrap().name).await;
    site.rename(PREFIX).await;
    site
}
