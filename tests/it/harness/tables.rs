//! Table names of a single site and of a network, and the statements that run on them.

use fcom_sidecar::db::{Statement, Statements, TableNames};

use crate::harness::site::{PREFIX, Site};

/// The tables that a network has in addition to those of its sites, from `wp_get_db_schema( 'global' )` of WordPress
/// 6.1, with its second site, which has all tables of the fixture, too.
const NETWORK: &str = "
    ALTER TABLE wp_users ADD spam tinyint(2) NOT NULL DEFAULT 0, ADD deleted tinyint(2) NOT NULL DEFAULT 0;
    CREATE TABLE wp_blogs (blog_id bigint(20) NOT NULL auto_increment, site_id bigint(20) NOT NULL default '0',
        domain varchar(200) NOT NULL default '', path varchar(100) NOT NULL default '',
        registered datetime NOT NULL default '2026-01-01', last_updated datetime NOT NULL default '2026-01-01',
        public tinyint(2) NOT NULL default '1', archived tinyint(2) NOT NULL default '0',
        mature tinyint(2) NOT NULL default '0', spam tinyint(2) NOT NULL default '0',
        deleted tinyint(2) NOT NULL default '0', lang_id int(11) NOT NULL default '0', PRIMARY KEY (blog_id),
        KEY domain (domain(50), path(5)), KEY lang_id (lang_id));
    CREATE TABLE wp_site (id bigint(20) NOT NULL auto_increment, domain varchar(200) NOT NULL default '',
        path varchar(100) NOT NULL default '', PRIMARY KEY (id), KEY domain (domain(140), path(51)));
    CREATE TABLE wp_sitemeta (meta_id bigint(20) NOT NULL auto_increment, site_id bigint(20) NOT NULL default '0',
        meta_key varchar(255) default NULL, meta_value longtext, PRIMARY KEY (meta_id), KEY meta_key (meta_key(191)),
        KEY site_id (site_id));
    INSERT INTO wp_site (domain, path) VALUES ('example.org', '/');
    INSERT INTO wp_blogs (site_id, domain, path) VALUES (1, 'example.org', '/'), (1, 'example.org', '/two/');";

/// Makes a single site of the fixture the main site of a network, and returns the tables of a second one.
pub(crate) async fn make_network(site: &Site) -> TableNames {
    site.execute(NETWORK).await;
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()";
    for table in site.column(tables).await {
        let shared = ["users", "usermeta", "blogs", "site", "sitemeta"];
        if !shared.contains(&&table[PREFIX.len()..]) {
            let copy = table.replacen(PREFIX, "wp_2_", 1);
            let sql = format!(
                "CREATE TABLE {copy} LIKE {table}; INSERT INTO {copy} SELECT * FROM {table}"
            );
            site.execute(&sql).await;
        }
    }
    let tables = TableNames::new(PREFIX, None, None).unwrap();
    tables.of_blog(2, "wp_2_").unwrap()
}

/// The statements that are executed on such a site.
pub(crate) fn statements_for(tables: &TableNames) -> Vec<(&'static str, Statement)> {
    let statements = Statements::render(tables);
    let all = statements.all().into_iter();
    all.filter(|(name, _)| tables.is_network() || !name.contains("network"))
        .map(|(name, statement)| (name, statement.clone()))
        .collect()
}

/// A table of the numbers from 1 to `last`, at most 10,000, in a column `seq`: MariaDB's `seq_1_to_…`.
pub(crate) fn numbers(last: u32) -> String {
    let digits: Vec<String> = (0..10)
        .map(|digit| format!("SELECT {digit} AS n"))
        .collect();
    let digits = digits.join(" UNION ALL ");
    format!(
        "(SELECT 1 + a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS seq FROM ({digits}) a, ({digits}) b, ({digits}) c, ({digits}) d \
         HAVING seq <= {last}) numbers"
    )
}

/// A failing event of user 1 with a hundred thousand of the same user behind it, all due for long, and many that are done. With
/// the server's statistics up to date, as they are some seconds later: it judges by them whether skipping pays.
pub(crate) fn waiting_events(prefix: &str) -> String {
    let (ten_thousand, ten) = (numbers(10_000), numbers(10));
    let insert = format!(
        "INSERT INTO {prefix}fcom_sidecar_events (user_id, kind, state, due_at, created_at) SELECT"
    );
    format!(
        "{insert} seq, 'user_register', 'done', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) FROM {ten_thousand};
        {insert} 1, 'user_changed', 'pending', UTC_TIMESTAMP(3) + INTERVAL 1 HOUR, UTC_TIMESTAMP(3);
        {insert} 1, 'user_changed', 'pending', UTC_TIMESTAMP(3) - INTERVAL 2 HOUR, UTC_TIMESTAMP(3)
            FROM {ten_thousand}, (SELECT seq AS other FROM {ten}) ten;
        ANALYZE TABLE {prefix}fcom_sidecar_events"
    )
}

/// Adds 100,000 users' events, of whom each has one that is tried again in an hour, and two that wait for it.
pub(crate) fn waiting_users(prefix: &str) -> String {
    let (ten_thousand, ten) = (numbers(10_000), numbers(10));
    let insert = format!(
        "INSERT INTO {prefix}fcom_sidecar_events (user_id, kind, due_at, created_at)
            SELECT 1000 + 10 * seq + other, 'user_changed', UTC_TIMESTAMP(3)"
    );
    let users = format!("FROM {ten_thousand}, (SELECT seq AS other FROM {ten}) ten");
    format!(
        "{insert} + INTERVAL 1 HOUR, UTC_TIMESTAMP(3) {users};
        {insert} - INTERVAL 2 HOUR, UTC_TIMESTAMP(3) {users};
        {insert} - INTERVAL 1 HOUR, UTC_TIMESTAMP(3) {users};
        ANALYZE TABLE {prefix}fcom_sidecar_events"
    )
}
