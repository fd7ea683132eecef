use super::*;

/// `SHOW GRANTS` of MariaDB 10.11 for an account with an active role that holds another one.
const MARIADB_ROLES: &[&str] = &[
    "GRANT `r2` TO `u`@`%`",
    "GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*D821809F681A40A6E379B50D0463EFAE20BDD122'",
    r"GRANT SELECT ON `wp\_%`.* TO `u`@`%`",
    "GRANT SELECT (`a`, `ID`), INSERT, INSERT (`a`), UPDATE (`we``ird`) ON `wp_x`.`users` TO `u`@`%`",
    "GRANT `r1` TO `r2`",
    "GRANT USAGE ON *.* TO `r2`",
    "GRANT ALL PRIVILEGES ON `wp_x`.`o` TO `r2`",
    "GRANT USAGE ON *.* TO `r1`",
    "GRANT DELETE ON `wp_x`.* TO `r1`",
    "GRANT SELECT ON `other`.* TO PUBLIC",
];

/// The same account of the same server without its role.
const MARIADB_WITHOUT_ROLE: &[&str] = &[
    "GRANT `r2` TO `u`@`%`",
    "GRANT USAGE ON *.* TO `u`@`%`",
    "SET DEFAULT ROLE `r2` FOR `u`@`%`",
];

/// MySQL 8: active roles are listed with the account, dynamic privileges on a line of their own.
const MYSQL8_ROLES: &[&str] = &[
    "GRANT USAGE ON *.* TO `wp`@`%`",
    "GRANT SELECT, INSERT, UPDATE ON `site`.* TO `wp`@`%`",
    "GRANT SELECT (`ID`, `user_login`) ON `shared`.`wp_users` TO `wp`@`%`",
    "GRANT `app`@`%`,`reader`@`localhost` TO `wp`@`%`",
];

const MYSQL8_ADMINISTRATOR: &[&str] = &[
    "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, SHUTDOWN, PROCESS, FILE, REFERENCES, INDEX, ALTER, \
     SHOW DATABASES, SUPER, CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, \
     CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER, CREATE TABLESPACE, \
     CREATE ROLE, DROP ROLE ON *.* TO `root`@`localhost` WITH GRANT OPTION",
    "GRANT APPLICATION_PASSWORD_ADMIN,AUDIT_ADMIN,BACKUP_ADMIN ON *.* TO `root`@`localhost` WITH GRANT OPTION",
    "REVOKE INSERT, UPDATE ON `site`.* FROM `root`@`localhost`",
    "GRANT PROXY ON ``@`` TO `root`@`localhost` WITH GRANT OPTION",
];

const MYSQL57: &[&str] = &[
    "GRANT USAGE ON *.* TO 'wp'@'%'",
    "GRANT SELECT (user_login, ID), INSERT ON `site`.`wp_users` TO 'wp'@'%'",
    "GRANT EXECUTE ON PROCEDURE `site`.`wp_usermeta` TO 'wp'@'%'",
    "GRANT ALL PRIVILEGES ON `site`.`wp_options` TO 'wp'@'%' WITH GRANT OPTION",
];

#[test]
fn privileges_are_found_at_every_level() {
    for (lines, database, table, privilege, columns, allowed) in [
        (MARIADB_ROLES, "wp_x", "any", "SELECT", &["a"][..], true),
        (MARIADB_ROLES, "wpxx", "any", "SELECT", &["a"], false),
        (MARIADB_ROLES, "wp_x", "users", "INSERT", &["b"], true),
        (MARIADB_ROLES, "wp_x", "users", "UPDATE", &["we`ird"], true),
        (
            MARIADB_ROLES,
            "wp_x",
            "users",
            "UPDATE",
            &["we`ird", "a"],
            false,
        ),
        (MARIADB_ROLES, "wp_x", "o", "UPDATE", &["a"], true),
        (MARIADB_ROLES, "wp_x", "any", "DELETE", &[], true),
        (MARIADB_ROLES, "wp_y", "any", "DELETE", &[], false),
        (MARIADB_ROLES, "other", "any", "SELECT", &["a"], true),
        (MARIADB_WITHOUT_ROLE, "wp_x", "o", "SELECT", &["a"], false),
        (MYSQL8_ROLES, "site", "wp_users", "UPDATE", &["ID"], true),
        (MYSQL8_ROLES, "site", "wp_users", "DELETE", &[], false),
        (
            MYSQL8_ROLES,
            "shared",
            "wp_users",
            "SELECT",
            &["id", "user_login"],
            true,
        ),
        (
            MYSQL8_ROLES,
            "shared",
            "wp_users",
            "SELECT",
            &["ID", "user_email"],
            false,
        ),
        (MYSQL8_ROLES, "shared", "wp_users", "SELECT", &[], false),
        (
            MYSQL8_ADMINISTRATOR,
            "site",
            "wp_users",
            "SELECT",
            &["ID"],
            true,
        ),
        (
            MYSQL8_ADMINISTRATOR,
            "site",
            "wp_users",
            "INSERT",
            &["ID"],
            false,
        ),
        (
            MYSQL8_ADMINISTRATOR,
            "other",
            "wp_users",
            "INSERT",
            &["ID"],
            true,
        ),
        (MYSQL57, "site", "wp_users", "SELECT", &["ID"], true),
        (MYSQL57, "site", "wp_users", "INSERT", &["ID"], true),
        (MYSQL57, "site", "wp_users", "UPDATE", &["ID"], false),
        (MYSQL57, "site", "wp_usermeta", "EXECUTE", &["ID"], false),
        (MYSQL57, "site", "wp_options", "DELETE", &[], true),
    ] {
        let grants = Grants::parse(lines.iter().copied());
        assert_eq!(
            grants.allow(database, table, privilege, columns),
            allowed,
            "{privilege} on {database}.{table}: {lines:#?}"
        );
    }
}

#[test]
fn create_counts_for_a_whole_database_only() {
    let admin = Grants::parse(MYSQL8_ADMINISTRATOR.iter().copied());
    assert!(admin.allow_in_database("site", "CREATE"));
    let all = Grants::parse(["GRANT ALL PRIVILEGES ON `site`.* TO `d`@`localhost`"]);
    assert!(all.allow_in_database("site", "CREATE") && !all.allow_in_database("sit", "CREATE"));
    let table = Grants::parse(MYSQL57.iter().copied());
    assert!(!table.allow_in_database("site", "CREATE"));
}

#[test]
fn roles_are_known_by_name() {
    for (lines, roles) in [
        (MARIADB_ROLES, &["r1", "r2"][..]),
        (MARIADB_WITHOUT_ROLE, &["r2"]),
        (MYSQL8_ROLES, &["app", "reader"]),
        (MYSQL57, &[]),
    ] {
        let grants = Grants::parse(lines.iter().copied());
        assert!(grants.roles.iter().eq(roles), "{:?}", grants.roles);
    }
}

#[test]
fn only_the_most_specific_line_of_a_grantee_counts() {
    let grants = Grants::parse([
        r"GRANT SELECT, INSERT ON `wp\_%`.* TO `u`@`%`",
        r"GRANT SELECT ON `wp\_x`.* TO `u`@`%`",
        r"GRANT UPDATE ON `wp%`.* TO `r`",
    ]);
    assert!(grants.allow_in_database("wp_x", "SELECT"));
    assert!(!grants.allow_in_database("wp_x", "INSERT"));
    assert!(grants.allow_in_database("wp_y", "INSERT"));
    assert!(grants.allow_in_database("wp_x", "UPDATE"));
}

#[test]
fn database_patterns_match_as_the_server_matches_them() {
    for (pattern, name, matched) in [
        ("site", "site", true),
        ("site", "site2", false),
        ("wp%", "wp_x", true),
        ("wp_x", "wpax", true),
        (r"wp\_x", "wpax", false),
        (r"wp\_x", "wp_x", true),
        (r"wp\_%", "wp_", true),
        ("%", "anything", true),
        (r"a\%b", "a%b", true),
        (r"a\%b", "axb", false),
    ] {
        assert_eq!(matches(pattern, name), matched, "{pattern} {name}");
    }
}

#[test]
fn nonsense_grants_nothing() {
    for line in [
        "",
        "GRANT",
        "GRANT ON TO",
        "GRANT SELECT ON `a",
        "x ` ( ) TO",
        "GRANT SELECT ON a.b.c TO d",
    ] {
        let grants = Grants::parse([line]);
        assert!(!grants.allow("a", "b", "SELECT", &["c"]), "{line}");
    }
}
