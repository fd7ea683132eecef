//! Checks every precondition of `serve`, each with its remedy, and returns a report for the caller to render. The
//! checks only read, with their own statements in `sql/checks/`, but for a test write that is rolled back. They need neither a reachable database nor an account
//! with any privilege.

mod answer;
mod cluster;
mod collector;
mod community;
mod connection;
mod exposure;
mod fields;
mod grants;
mod guard;
mod links;
mod local;
mod mail_server;
mod network;
mod options;
mod own_tables;
mod plugins;
mod privileges;
mod readiness;
mod relay;
mod report;
mod schema;
mod server;
mod shadow;
mod tables;
mod version;
mod web_server;
mod wordpress;

use sqlx::Connection as _;

use self::community::Community;
use self::options::Options;
pub use self::readiness::Asker;
pub use self::report::{Finding, Report, Status};
use self::schema::Schema;
use self::server::DatabaseServer;
pub use self::web_server::FORM_WANTED;
use crate::config::{Config, ConfigError, Sources};
use crate::db::{Connection, TableNames};
use crate::fluentcommunity::webhooks::Portal;
use crate::mail::Hello;
use crate::operations::webhooks::portal_overrides;
use crate::site;

/// Checks that need the database, in order.
const ASKING_THE_DATABASE: [&str; 40] = [
    server::ENCRYPTION,
    server::SESSION,
    server::CONNECTIONS,
    server::BINARY_LOG,
    cluster::CLUSTER,
    server::CLOCK,
    server::TIME_ZONE,
    tables::TABLES,
    tables::OPTIONAL_TABLES,
    tables::ENGINE,
    tables::COLUMNS,
    tables::INDEXES,
    tables::CHARACTER_SET,
    own_tables::OWN_TABLES,
    own_tables::OWN_ROWS,
    own_tables::MAILS,
    own_tables::INSTANCES,
    privileges::PRIVILEGES,
    privileges::OPTIONAL_PRIVILEGES,
    privileges::MIGRATE,
    wordpress::OPTIONS,
    wordpress::MULTISITE,
    wordpress::SITE_TIME_ZONE,
    wordpress::DEFAULT_ROLE,
    wordpress::LANGUAGE,
    community::FLUENTCOMMUNITY,
    community::COURSES,
    community::WEBHOOKS,
    community::PROTECTION,
    community::SOURCES,
    community::PORTAL,
    guard::GUARD,
    shadow::SHADOW,
    links::MAIL_LINKS,
    links::LOGIN_PAGE,
    plugins::PRO,
    plugins::PLUGINS,
    plugins::CRM_TAGS,
    web_server::WEB_SERVER,
    relay::EVENTS,
];

/// The report on an invalid configuration: its problems.
pub fn refused(error: ConfigError) -> Report {
    Report::new(local::problems(error))
}

/// Runs all checks; `sources` is where `config` was loaded from.
pub async fn run(config: &Config, sources: &Sources, asker: Asker) -> Report {
    Report::new(findings(config, sources, asker).await)
}

async fn findings(config: &Config, sources: &Sources, asker: Asker) -> Vec<Finding> {
    let mut findings = local::configuration(config, sources);
    findings.extend(exposure::check(config));
    findings.extend(fields::check(config));
    let tables = match site::table_names(&config.wordpress) {
        Ok(tables) => tables,
        Err(error) => {
            findings.push(local::unusable_tables(&error));
            return findings;
        }
    };
    let mut hello = Hello::default();
    match connection::open(&config.database).await {
        Ok(mut connection) => {
            let (found, site) = check_site(config, &tables, &mut connection).await;
            findings.extend(found);
            hello = site;
            // The account may be limited to few connections. One that is already broken cannot say goodbye.
            let _ = connection.close().await;
        }
        Err(finding) => {
            findings.push(finding);
            let away = |name| Finding::skipped(name, "the database cannot be reached");
            findings.extend(ASKING_THE_DATABASE.map(away));
            findings.push(version::check(&config.wordpress, None));
            findings.push(local::welcome_mail(config, None));
        }
    }
    findings.push(readiness::check(config).await);
    findings.extend(readiness::daemon(config, &tables, asker).await);
    findings.push(mail_server::check(config, &hello).await);
    findings.extend(collector::check(config).await);
    findings.extend(relay::check(config, &tables).await);
    findings.push(local::object_cache(config));
    findings
}

/// Also returns how the site greets mail servers.
async fn check_site(
    config: &Config,
    tables: &TableNames,
    connection: &mut Connection,
) -> (Vec<Finding>, Hello) {
    let server = DatabaseServer::read(connection, tables).await;
    let mut findings = match &server {
        Ok(server) => server.findings(&config.database),
        Err(error) => server::unreadable(error),
    };
    findings.push(server::binary_log(connection).await);
    findings.push(cluster::check(connection).await);

    let schema = Schema::read(connection, tables).await;
    findings.extend(match &schema {
        Ok(schema) => schema.findings(config.mail.transport),
        Err(error) => tables::unreadable(error),
    });
    findings.extend(own_tables::check(connection, tables).await);
    findings.extend(match &server {
        Ok(server) => privileges::check(connection, tables, server, config.mail.transport).await,
        Err(_) => privileges::skipped(),
    });

    let blogs = network::read(connection, tables).await;
    let network = network::check(&config.wordpress, &blogs, schema.as_ref().ok());
    let options = Options::read(connection, tables).await;
    let options = options.as_ref();
    findings.extend(wordpress::check(&config.wordpress, options, network));
    let community = Community::read(connection, tables).await;
    let portal = options.ok().map(|options| {
        let overrides = portal_overrides(&config.wordpress);
        Portal::new(&overrides, &options.portal())
    });
    findings.extend(community::check(
        config,
        options.ok(),
        portal.as_ref(),
        community.as_ref(),
        schema.as_ref().ok(),
    ));
    let portal = portal.and_then(|portal| portal.url().ok());
    let mail = links::options(config, connection, tables).await;
    let hello = mail.as_ref().map(Hello::of_site).unwrap_or_default();
    findings.extend(links::check(config, mail, portal.as_ref(), options.ok()));
    findings.push(guard::check(config, tables, connection, portal.as_ref()).await);
    findings.push(shadow::check(config, tables, connection).await);
    findings.push(match portal {
        Some(portal) => web_server::check(&portal, config.shadow.php.is_some()).await,
        None => Finding::skipped(web_server::WEB_SERVER, "the portal's address is not known"),
    });
    findings.extend(plugins::check(
        options.ok(),
        community.as_ref().ok(),
        config.relay.enabled,
    ));
    findings.push(relay::events(connection, tables).await);
    findings.push(local::welcome_mail(config, schema.as_ref().ok()));
    (findings, hello)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listener spawns the checks on the main runtime.
    #[test]
    fn the_checks_can_be_spawned() {
        fn assert_send<T: Send>(_: impl FnOnce(&'static Config, &'static Sources, Asker) -> T) {}
        assert_send(run);
    }
}
