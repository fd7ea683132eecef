//! Makes migrations of the files, with checksums that stay what they were when a file was released.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::list::MIGRATIONS;
use crate::db::{Statement, TableNames};

/// Lines that the file of a version got later: a column or an index is added where the file describes its table, not by a
/// version of its own. A version may run twice, if a process dies before it is recorded, and `MySQL` cannot add a column only
/// where it is missing; the comparison with what is there can, for a new column as for one that was lost.
const ADDED: [(i64, &str); 9] = [
    (2, "    KEY request_id (request_id, id),\n"),
    (
        3,
        "    key_hash binary(32) NULL,\n    password_hash binary(32) NULL,\n",
    ),
    (3, "    KEY of_state (state, id),\n"),
    (4, "    KEY heads (state, user_id, id),\n"),
    (
        6,
        "-- Of its form: the names that its fields had, as a JSON list, how many more there were, and in one word what came \
         as address.\n",
    ),
    (
        6,
        concat!(
            "    client_address varchar(45) CHARACTER SET ascii COLLATE ascii_bin NULL,\n",
            "    message varchar(255) NULL,\n",
            "    content_type varchar(100) CHARACTER SET ascii COLLATE ascii_bin NULL,\n",
            "    content_length bigint unsigned NULL,\n",
            "    email varchar(16) CHARACTER SET ascii COLLATE ascii_bin NULL,\n",
            "    fields text NULL,\n",
            "    more_fields int unsigned NULL,\n",
        ),
    ),
    (6, "    KEY webhook_id (webhook_id, id),\n"),
    (
        9,
        "-- `tries_asked` grows when an operator asks for a try at once.\n",
    ),
    (9, "    tries_asked int unsigned NOT NULL DEFAULT 0,\n"),
];

/// All migrations, for a site.
pub(super) fn migrator(tables: &TableNames, collation: &str) -> Migrator {
    let migrations = MIGRATIONS
        .iter()
        .map(|&(version, description, text)| {
            let rendered = render(text, tables, collation);
            let mut migration = Migration::new(
                version,
                Cow::Borrowed(description),
                MigrationType::Simple,
                rendered,
                true,
            );
            // The checksum is of the file, not of the rendered text: a changed collation does not change the migration.
            // Nor does moving a table to the prefix that a network shares, which for a single site is its own prefix.
            // Nor does what was added later: where it is missing, the comparison with what is there makes it.
            let added = ADDED.iter().filter(|(of, _)| *of == version);
            let text = added.fold(text.replace("{base}", "{prefix}"), |text, (_, lines)| {
                text.replace(lines, "")
            });
            migration.checksum = Sha256::digest(text).to_vec().into();
            migration
        })
        .collect();
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.dangerous_set_table_name(format!("{}fcom_sidecar_schema", tables.prefix()));
    migrator.set_ignore_missing(true);
    migrator.set_locking(false);
    migrator
}

/// A file as the site needs it.
pub(super) fn render(text: &str, tables: &TableNames, collation: &str) -> SqlStr {
    let charset = collation.split('_').next().unwrap_or("utf8mb4");
    let text = text
        .replace("{charset}", charset)
        .replace("{collation}", collation);
    Statement::render(&text, tables).sql()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise a daemon would not start on the tables of an earlier release.
    #[test]
    fn a_file_keeps_the_checksum_of_its_first_release() {
        let tables = TableNames::new("wp_", None, None).unwrap();
        let migrator = migrator(&tables, "utf8mb4_unicode_520_ci");
        for (version, checksum) in [
            (
                3,
                "1db137d1816829bf42ebed429b14da60b1db51fdaea0cf2c9dfc9bd5b461ccf0",
            ),
            (
                4,
                "f8108b2cf8c902091d30d756038cda73c32dd7e7bf6e9853bd4ef42a21baff70",
            ),
            (
                6,
                "20ebd772c83703d2d6a5ea7407ca7ce97ff8ab5ec357625e5985e84f9a67ff9a",
            ),
            (
                9,
                "37416611f129cc97eb13fbd75c65aed7c72bc6fc2e482117573e8538ee0e798e",
            ),
        ] {
            let file = migrator.iter().find(|one| one.version == version).unwrap();
            assert_eq!(hex::encode(&file.checksum), checksum, "{version}");
        }
    }
}
