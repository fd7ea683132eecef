//! A page of refused calls costs what a page has, however many there are.

use fcom_sidecar::db::{Statements, TableNames};

use super::event_queue::reads;
use crate::harness::site::{PREFIX, Site};
use crate::harness::tables::numbers;

/// Rows on the page.
const PAGE: u32 = 50;

/// None has kept fields: of an empty table, servers think that it is read fastest at once, for which they sort all that it is joined with.
#[tokio::test]
async fn a_page_of_refused_calls_reads_its_own_rows_only() {
    let site = Site::new("71").await;
    let tables = TableNames::new(PREFIX, None, None).unwrap();
    site.migrate(&site.database, &tables).await;
    let (ten_thousand, ten) = (numbers(10_000), numbers(10));
    site.execute(&format!(
        "INSERT INTO wp_fcom_sidecar_refused (created_at, webhook_id, outcome, status, address_hash)
            SELECT UTC_TIMESTAMP(), 3, 'busy', 503, x'00112233445566778899aabbccddeeff'
            FROM {ten_thousand}, (SELECT seq AS other FROM {ten}) ten;
        ANALYZE TABLE wp_fcom_sidecar_refused, wp_fcom_sidecar_kept"
    ))
    .await;
    let statements = Statements::render(&tables);
    // A connection of its own: the server counts what it reads.
    let mut connection = site.pool().acquire().await.unwrap();
    for (name, statement) in statements.all() {
        let page = match name {
            "list_refused" => sqlx::query(statement.sql()),
            "refused_of_webhook" => sqlx::query(statement.sql()).bind(3_u64),
            _ => continue,
        };
        let before = reads(&mut connection).await;
        let page = page.bind(u64::MAX).bind(PAGE);
        assert_eq!(page.fetch_all(&mut *connection).await.unwrap().len(), 50);
        let read = reads(&mut connection).await - before;
        assert!(read < 500, "{name} reads {read} rows");
    }
}
