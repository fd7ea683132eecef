//! Updates the option `user_count`, which WordPress keeps for sites with few users. Part of the tally's transaction.

use super::claims::{self, Claims};
use crate::db::{Batch, Connection, DatabaseError, Literal};
use crate::site::Site;
use crate::wordpress::options::SiteOptions;

/// WordPress maintains larger counts by cron.
const LARGEST_USER_COUNT: i64 = 10_000;
pub(super) const COUNT_USERS: &str = "update the user count";

/// Mirrors `wp_maybe_update_user_counts`, WordPress 6.0 and later, and on a network
/// `wp_maybe_update_network_user_counts` before.
pub(super) async fn count_users(
    connection: &mut Connection,
    site: &Site,
    options: &SiteOptions,
) -> Result<(), DatabaseError> {
    let mut batch = Batch::of(&site.statements);
    count_users_in(&mut batch, site, options);
    batch.run(connection).await?;
    Ok(())
}

/// Adds the statements, if these options ask for a count.
pub(super) fn count_users_in(batch: &mut Batch, site: &Site, options: &SiteOptions) {
    let version = site.version.version(options);
    let is_network = site.tables.is_network();
    let Some(version) = version.filter(|v| is_network || v.counts_users_on_creation()) else {
        return;
    };
    let stored = if is_network {
        &options.network_user_count
    } else {
        &options.user_count
    };
    let is_missing = stored.is_none();
    let stored = stored.as_deref().map(String::from_utf8_lossy);
    let stored = stored.and_then(|text| text.trim().parse().ok());
    if stored.unwrap_or(0_i64) > LARGEST_USER_COUNT {
        return;
    }
    let statements = &site.statements;
    if is_network {
        // Locked first, as below, with a claim: the row may be missing, and every site of the network counts.
        let mut claims = Claims::of_nobody();
        let claim = (claims::USER_COUNT, "network".to_owned());
        claims.take_in(batch, statements, vec![claim]);
        batch.add(&statements.update_network_user_count, COUNT_USERS, &[]);
        if is_missing {
            batch.add(&statements.insert_network_user_count, COUNT_USERS, &[]);
        }
        claims.free_in(batch, statements);
        return;
    }
    // Lock first: a count made before the lock could overwrite a newer count.
    batch.add(&statements.lock_user_count, COUNT_USERS, &[]);
    let autoload = Literal::Text(version.autoload_off());
    batch.add(&statements.update_user_count, COUNT_USERS, &[autoload]);
}
