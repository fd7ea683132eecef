//! Checks FluentCommunity: its schema, courses, webhooks and the portal's address.

use sqlx::FromRow;

use super::options::{Options, skipped};
use super::report::Finding;
use super::schema::Schema;
use crate::config::Config;
use crate::db::{Connection, DatabaseError, Doing, Purpose, Statement, TableNames};
use crate::fluentcommunity::course_emails::is_structured;
use crate::fluentcommunity::features::course_module_is_on;
use crate::fluentcommunity::webhook::Webhook;
use crate::fluentcommunity::webhooks::Portal;
use crate::provision::Protection;

pub(super) const FLUENTCOMMUNITY: &str = "fluentcommunity";
pub(super) const COURSES: &str = "courses";
pub(super) const WEBHOOKS: &str = "webhooks";
pub(super) const PROTECTION: &str = "protection";
pub(super) const SOURCES: &str = "sources";
pub(super) const PORTAL: &str = "portal";

const COMMUNITY: &str = include_str!("../../sql/checks/community.sql");

/// The rows read from FluentCommunity's tables.
#[derive(Debug, Default)]
pub(super) struct Community {
    /// The serialised features.
    pub(super) features: Option<Vec<u8>>,
    /// Ids and values.
    webhooks: Vec<(u64, Vec<u8>)>,
    /// Ids of structured courses.
    structured: Vec<u64>,
}

#[derive(FromRow)]
struct CommunityRow {
    kind: String,
    id: u64,
    value: Option<Vec<u8>>,
}

impl Community {
    pub(super) async fn read(
        connection: &mut Connection,
        tables: &TableNames,
    ) -> Result<Self, DatabaseError> {
        let rows: Vec<CommunityRow> = sqlx::query_as(Statement::render(COMMUNITY, tables).sql())
            .fetch_all(connection)
            .await
            .doing("read webhooks and courses")?;
        let mut community = Self::default();
        for CommunityRow { kind, id, value } in rows {
            let value = value.unwrap_or_default();
            match kind.as_str() {
                // The first row counts, as in PHP.
                "features" => {
                    community.features.get_or_insert(value);
                }
                "webhook" => community.webhooks.push((id, value)),
                _ if is_structured(&value) => community.structured.push(id),
                _ => {}
            }
        }
        Ok(community)
    }
}

pub(super) fn check(
    config: &Config,
    options: Option<&Options>,
    portal: Option<&Portal>,
    community: Result<&Community, &DatabaseError>,
    schema: Option<&Schema>,
) -> Vec<Finding> {
    let present = options.map_or_else(|| skipped(FLUENTCOMMUNITY), present);
    let portal = portal.map_or_else(|| skipped(PORTAL), address);
    let protection = match community {
        Ok(community) => {
            let protections: Vec<_> = config.protections.iter().map(Protection::from).collect();
            protection(&protections, community)
        }
        Err(_) => Finding::skipped(PROTECTION, "FluentCommunity's tables cannot be read"),
    };
    let sources = match community {
        Ok(community) => sources(config, community),
        Err(_) => Finding::skipped(SOURCES, "FluentCommunity's tables cannot be read"),
    };
    let (courses, webhooks) = match community {
        Ok(community) => {
            let courses = courses(community, schema, config.relay.enabled);
            (courses, webhooks(community))
        }
        Err(error) => (
            Finding::skipped(COURSES, "FluentCommunity's tables cannot be read"),
            Finding::failed(
                WEBHOOKS,
                error.to_string(),
                "correct wordpress.table_prefix, or grant SELECT on fcom_meta and fcom_spaces",
            ),
        ),
    };
    vec![present, courses, webhooks, protection, sources, portal]
}

fn present(options: &Options) -> Finding {
    let Some(version) = options.text("fluent_community_db_version") else {
        return Finding::failed(
            FLUENTCOMMUNITY,
            "not installed: there is no option fluent_community_db_version",
            "install FluentCommunity and open its portal once as an administrator",
        );
    };
    let found = format!("schema version {version}");
    if options.is_active("fluent-community.php") {
        return Finding::ok(FLUENTCOMMUNITY, found);
    }
    Finding::warning(
        FLUENTCOMMUNITY,
        format!("{found}, but the plugin is not among the active ones"),
        "activate FluentCommunity: until then nobody sees the memberships that calls make",
    )
}

fn courses(community: &Community, schema: Option<&Schema>, has_relay: bool) -> Finding {
    if !course_module_is_on(community.features.as_deref()) {
        return Finding::ok(
            COURSES,
            "off: webhooks neither enrol in courses nor remove from them",
        );
    }
    let structured = &community.structured;
    if structured.is_empty() {
        return Finding::ok(COURSES, "on, none is structured");
    }
    let count = structured.len();
    if has_relay {
        let found = format!(
            "on, {count} structured; FluentCommunity Pro makes the e-mail jobs of their sections when the relay fires its hooks"
        );
        return Finding::ok(COURSES, found);
    }
    let purposes = [Purpose::StructuredCourses, Purpose::Jobs];
    let missing = schema.map_or_else(Vec::new, |schema| schema.missing(&purposes));
    if missing.is_empty() {
        let found =
            format!("on, {count} structured; the e-mail jobs of their sections are made here");
        return Finding::ok(COURSES, found);
    }
    Finding::failed(
        COURSES,
        format!(
            "{count} structured, and calls that concern them fail without {}",
            missing.join(", ")
        ),
        "open wp-admin as an administrator, which creates these tables, or grant privileges on them",
    )
}

fn webhooks(community: &Community) -> Finding {
    let unreadable: Vec<String> = community
        .webhooks
        .iter()
        .filter(|(id, value)| Webhook::read(*id, value).is_err())
        .map(|(id, _)| id.to_string())
        .collect();
    let count = community.webhooks.len();
    if unreadable.is_empty() {
        return Finding::ok(WEBHOOKS, format!("{count}, all readable"));
    }
    Finding::warning(
        WEBHOOKS,
        format!(
            "{count}, of which these records in fcom_meta are not readable, so that their calls are refused: {}",
            unreadable.join(", ")
        ),
        "save these webhooks anew in FluentCommunity, or delete them",
    )
}

/// A source of no webhook reads nothing. Of a shop that sends each call once, those that are refused are lost unless their fields are kept.
fn sources(config: &Config, community: &Community) -> Finding {
    let row = |id: u64| community.webhooks.iter().find(|(one, _)| *one == id);
    let idle = config
        .sources
        .iter()
        .filter(|one| row(one.webhook_id).is_none());
    let idle: Vec<&str> = idle.map(|one| one.name.as_str()).collect();
    if !idle.is_empty() {
        return Finding::failed(
            SOURCES,
            format!("no webhook has the id that these name: {}", idle.join(", ")),
            "correct webhook_id in [source.NAME] (\"fcom-sidecar webhook list\" shows the ids), or remove the table",
        );
    }
    let found = format!("webhooks with a source: {}", config.sources.len());
    let names = config.sources.iter().map(|one| one.name.as_str());
    let shops: Vec<&str> = names.filter(|name| is_woocommerce(config, name)).collect();
    if shops.is_empty() || config.refused.fields.is_some() {
        return Finding::ok(SOURCES, found);
    }
    Finding::warning(
        SOURCES,
        format!(
            "{found}; WooCommerce sends no call again, so that those of {} are lost that are answered 503, as while the database is away",
            shops.join(", ")
        ),
        "set refused.keep_fields_hours and refused.key_file, so that \"fcom-sidecar refused retry\" can carry them out",
    )
}

/// Whether a source has one of the presets `woocommerce-…`.
fn is_woocommerce(config: &Config, source: &str) -> bool {
    let key = format!("source.{source}.preset");
    let preset = config.shown().iter().find(|shown| shown.key == key);
    let preset = preset.and_then(|shown| shown.value.as_deref());
    preset.is_some_and(|preset| preset.starts_with("woocommerce-"))
}

/// A protection that matches no webhook protects nothing, most likely because the webhook was renamed.
fn protection(protections: &[Protection], community: &Community) -> Finding {
    let readable: Vec<Webhook> = community
        .webhooks
        .iter()
        .filter_map(|(id, value)| Webhook::read(*id, value).ok())
        .collect();
    let idle: Vec<&str> = protections
        .iter()
        .filter(|one| !readable.iter().any(|webhook| one.is_of(webhook)))
        .map(|one| one.name.as_str())
        .collect();
    if !idle.is_empty() {
        return Finding::failed(
            PROTECTION,
            format!(
                "no readable webhook has the id or title that these name: {}",
                idle.join(", ")
            ),
            "correct webhook_id or webhook_title in [protection.NAME], or remove the table",
        );
    }
    let shared = protections.iter().find_map(|one| {
        let covered = readable.iter().filter(|webhook| one.is_of(webhook)).count();
        (one.secrets.is_some() && covered > 1).then_some((&one.name, covered))
    });
    if let Some((name, count)) = shared {
        return Finding::failed(
            PROTECTION,
            format!(
                "{count} webhooks have the title that {name} names, and so the same secret: a call of one can be sent to the others"
            ),
            "protect each by its webhook_id, with a secret of its own",
        );
    }
    let protected = |webhook: &&Webhook| protections.iter().any(|one| one.is_of(webhook));
    let count = readable.iter().filter(protected).count();
    Finding::ok(
        PROTECTION,
        format!(
            "{count} of {} webhooks ask for more than their key",
            readable.len()
        ),
    )
}

fn address(portal: &Portal) -> Finding {
    let url = match portal.url() {
        Ok(url) => url,
        Err(home) => {
            return Finding::warning(
                PORTAL,
                format!("the site's address {home:?} is not a URL"),
                "correct the WordPress and site address in Settings → General",
            );
        }
    };
    let origin = url.origin().ascii_serialization();
    let path = url.path();
    let location = match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    Finding::ok(
        PORTAL,
        format!(
            "{origin}{path}?fcom_action=incoming_webhook&webhook=…; pass POST, HEAD, GET and OPTIONS with this query, at \
             {location} and below, to the sidecar"
        ),
    )
}
