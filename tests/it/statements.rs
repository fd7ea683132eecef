//! The server accepts every statement of the daemon, whatever the site's tables are called and whichever release made
//! them.

use fcom_sidecar::db::{self, Statements, TableNames};
use sqlx::Executor;

use crate::site::{PREFIX, Site};

/// Rows per statement where a statement takes several.
const SEVERAL: usize = 3;

/// Creates our tables and has the server prepare every statement, for one row and for several.
async fn assert_accepted(site: &Site, tables: &TableNames) {
    db::migrate(&site.pool().clone().into(), tables)
        .await
        .unwrap();
    let mut connection = site.pool().acquire().await.unwrap();
    for (name, statement) in Statements::render(tables).all() {
        for sql in [statement.sql(), statement.repeated(SEVERAL)] {
            if let Err(error) = connection.prepare(sql.clone()).await {
                panic!("{name} on {}: {error}\n{}", site.wordpress, sql.as_str());
            }
        }
    }
}

#[tokio::test]
async fn every_statement_fits_the_tables_of_every_release() {
    let tables = TableNames::new(PREFIX, None, None).unwrap();
    for fixture in ["61", "67", "68", "70", "71"] {
        assert_accepted(&Site::new(fixture).await, &tables).await;
    }
}

#[tokio::test]
async fn every_statement_follows_another_prefix_and_custom_user_tables() {
    let custom = TableNames::new("Site9_", Some("shared_users"), Some("shared_meta")).unwrap();
    for fixture in ["61", "71"] {
        let mut site = Site::new(fixture).await;
        site.rename(custom.prefix()).await;
        site.execute("RENAME TABLE Site9_users TO shared_users, Site9_usermeta TO shared_meta")
            .await;
        assert_accepted(&site, &custom).await;
    }
}
