//! The names that are being created: none are at rest.

use std::sync::Arc;

use fcom_sidecar::sample::server::PrivateServer;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

/// The number of claims; `None` when the database or the table is missing. Uses a thread with its own runtime, because
/// this is for `drop`.
pub(crate) fn left(server: Arc<PrivateServer>, database: String, table: String) -> Option<i64> {
    let ask = async move {
        let options = server.connect_options(Some(&database));
        let mut connection = options.connect().await.ok()?;
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        let claims = sqlx::query(sql).fetch_one(&mut connection).await.ok()?;
        let _ = connection.close().await;
        Some(claims.get(0))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    std::thread::spawn(move || runtime.block_on(ask))
        .join()
        .unwrap()
}
