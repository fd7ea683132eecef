//! Lists the migrations.

/// Version, description and text of every migration, oldest first. Each is one DDL statement, because MySQL commits
/// after each; it is additive, so that the previous release runs on the new schema; and it is idempotent, because a
/// process may die after the statement and before it is recorded. Each site of a network has its own ledger, so a
/// migration of a table that all sites share (`{base}`) must do nothing when it has already been applied.
pub(super) const MIGRATIONS: &[(i64, &str, &str)] = &[
    (
        1,
        "claims",
        include_str!("../../../sql/migrations/0001_claims.sql"),
    ),
    (
        2,
        "runs",
        include_str!("../../../sql/migrations/0002_runs.sql"),
    ),
    (
        3,
        "mail",
        include_str!("../../../sql/migrations/0003_mail.sql"),
    ),
    (
        4,
        "events",
        include_str!("../../../sql/migrations/0004_events.sql"),
    ),
    (
        5,
        "old keys",
        include_str!("../../../sql/migrations/0005_old_keys.sql"),
    ),
    (
        6,
        "refused",
        include_str!("../../../sql/migrations/0006_refused.sql"),
    ),
    (
        7,
        "signed",
        include_str!("../../../sql/migrations/0007_signed.sql"),
    ),
    (
        8,
        "guard",
        include_str!("../../../sql/migrations/0008_guard.sql"),
    ),
    (
        9,
        "instances",
        include_str!("../../../sql/migrations/0009_instances.sql"),
    ),
    (
        10,
        "kept",
        include_str!("../../../sql/migrations/0010_kept.sql"),
    ),
    (
        11,
        "shadow",
        include_str!("../../../sql/migrations/0011_shadow.sql"),
    ),
];

/// The ledger, as the migrator creates it.
pub(super) const LEDGER: &str = "CREATE TABLE IF NOT EXISTS {prefix}fcom_sidecar_schema (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success tinyint(1) NOT NULL,
    checksum blob NOT NULL,
    execution_time bigint NOT NULL,
    PRIMARY KEY (version)
)";
