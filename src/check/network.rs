//! Checks whether the site belongs to a network, and which of its sites it is.

use sqlx::FromRow;

use super::report::Finding;
use super::schema::Schema;
use super::wordpress::MULTISITE;
use crate::config::WordPress;
use crate::db::{Connection, DatabaseError, Doing, Statement, TableNames};
use crate::wordpress::blog::Blog;

const BLOGS: &str = include_str!("../../sql/checks/blogs.sql");

/// A site of the network.
#[derive(Debug, FromRow)]
pub(super) struct NetworkSite {
    blog_id: u64,
    network_id: u64,
    domain: String,
    path: String,
    flags: String,
}

/// The network's sites, the configured one first, limited where there are many; empty for a single site.
pub(super) async fn read(
    connection: &mut Connection,
    tables: &TableNames,
) -> Result<Vec<NetworkSite>, DatabaseError> {
    if !tables.is_network() {
        return Ok(Vec::new());
    }
    sqlx::query_as(Statement::render(BLOGS, tables).sql())
        .fetch_all(connection)
        .await
        .doing("read the sites of the network")
}

pub(super) fn check(
    config: &WordPress,
    blogs: &Result<Vec<NetworkSite>, DatabaseError>,
    schema: Option<&Schema>,
) -> Finding {
    match &config.blog {
        Some(blog) => site_of_network(blog.id, blogs),
        None => single_site(config, schema.map(Schema::network_tables)),
    }
}

fn site_of_network(id: u64, blogs: &Result<Vec<NetworkSite>, DatabaseError>) -> Finding {
    let blogs = match blogs {
        Ok(blogs) => blogs,
        Err(error) => {
            let remedy = "let wordpress.table_prefix be the network's (wp_, not wp_2_), or remove wordpress.blog_id if \
                          there is no network, or grant SELECT on the tables blogs, site and sitemeta";
            return Finding::failed(MULTISITE, error.to_string(), remedy);
        }
    };
    let address = |site: &NetworkSite| format!("{} ({}{})", site.blog_id, site.domain, site.path);
    let Some(row) = blogs.iter().find(|row| row.blog_id == id) else {
        let others: Vec<String> = blogs.iter().map(address).collect();
        let found = format!("the network has no site {id}, but {}", others.join(", "));
        let remedy = "set wordpress.blog_id to the id of the site whose webhooks are to be served";
        return Finding::failed(MULTISITE, found, remedy);
    };
    let found = format!("site {} of network {}", address(row), row.network_id);
    let blog = Blog::read(row.domain.as_bytes(), row.flags.as_bytes());
    match blog.closed {
        None => Finding::ok(MULTISITE, found),
        Some(why) => Finding::failed(
            MULTISITE,
            format!("{found} {why}: WordPress does not serve it, and its calls get 503"),
            "open it in Network Admin → Sites, or set wordpress.blog_id to another site",
        ),
    }
}

fn single_site(config: &WordPress, tables: Option<Vec<String>>) -> Finding {
    match tables {
        None => Finding::skipped(MULTISITE, "the server did not tell about its tables"),
        Some(tables) if tables.is_empty() => Finding::ok(MULTISITE, "a single site"),
        Some(mut tables) if config.root.is_some() => {
            // Those with a shorter prefix are another site's.
            tables.retain(|table| table.starts_with(&config.table_prefix));
            if tables.is_empty() {
                return Finding::ok(MULTISITE, "a single site");
            }
            let tables = tables.join(", ");
            Finding::warning(
                MULTISITE,
                format!(
                    "wp-config.php declares a single site, but a network's tables are there: {tables}"
                ),
                "drop what is left of the network, if no other site uses it",
            )
        }
        Some(tables) => Finding::failed(
            MULTISITE,
            format!(
                "the tables of a network are there, and nothing says which of its sites is served: {}",
                tables.join(", ")
            ),
            "set wordpress.blog_id to the site's id (1 for the main site) and wordpress.table_prefix to the network's \
             (wp_, not wp_2_), or set wordpress.root",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::wordpress::tests::config;
    use super::*;

    fn status(finding: &Finding, status: &str) {
        let finding = format!("{finding:?}");
        assert!(finding.contains(&format!("status: {status}")), "{finding}");
    }

    #[test]
    fn a_network_must_be_declared() {
        let tables = || vec!["wp_blogs".to_owned()];
        let mut left = config();
        left.root = Some("/site".into());
        let mut beside = left.clone();
        beside.table_prefix = "wp_2_".to_owned();
        for (config, tables, expected) in [
            (config(), Some(Vec::new()), "Ok"),
            (config(), Some(tables()), "Failed"),
            (left, Some(tables()), "Warning"),
            (beside, Some(tables()), "Ok"),
            (config(), None, "Skipped"),
        ] {
            status(&single_site(&config, tables), expected);
        }
    }

    #[test]
    fn the_site_is_told_by_its_address() {
        let row = |blog_id, path: &str, flags: &str| NetworkSite {
            blog_id,
            network_id: 1,
            domain: "example.org".to_owned(),
            path: path.to_owned(),
            flags: flags.to_owned(),
        };
        let blogs = Ok(vec![row(1, "/", "0|0|0"), row(2, "/two/", "1|0|0")]);
        for (id, expected, found) in [
            (1, "Ok", "site 1 (example.org/) of network 1"),
            (2, "Failed", "is archived"),
            (7, "Failed", "but 1 (example.org/), 2 (example.org/two/)"),
        ] {
            let finding = site_of_network(id, &blogs);
            status(&finding, expected);
            assert!(format!("{finding:?}").contains(found), "{finding:?}");
        }
    }
}
