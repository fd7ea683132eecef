//! Lists every endpoint of the admin listener. The routes are built from this list, and a test compares the document in
//! `openapi` with it.

use actix_web::middleware::from_fn;
use actix_web::{Route, web};

use super::{access, health, metrics, openapi, refused, runs, shadow, trials, webhooks};

/// One method of one path.
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// Whether the endpoint requires an operator's credentials.
    pub(super) guarded: bool,
    route: Route,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let open = |path: &str, route| Endpoint {
        method: "GET",
        path: path.to_owned(),
        guarded: false,
        route,
    };
    let guarded = |method, path: String, route| Endpoint {
        method,
        path,
        guarded: true,
        route,
    };
    let of_webhooks = |below: &str| format!("{}{below}", webhooks::PATH);
    let of_runs = |below: &str| format!("{}{below}", runs::PATH);
    vec![
        open("/healthz", web::get().to(health::healthz)),
        open("/readyz", web::get().to(health::readyz)),
        open("/openapi.json", web::get().to(openapi::document)),
        open("/metrics", web::get().to(metrics::metrics)),
        guarded("GET", runs::PATH.to_owned(), web::get().to(runs::list)),
        guarded("GET", of_runs("/{id}"), web::get().to(runs::show)),
        guarded(
            "GET",
            refused::PATH.to_owned(),
            web::get().to(refused::list),
        ),
        guarded(
            "GET",
            format!("{}/{{id}}", refused::PATH),
            web::get().to(refused::show),
        ),
        guarded(
            "POST",
            format!("{}/{{id}}/retry", refused::PATH),
            web::post().to(refused::retry),
        ),
        guarded("GET", shadow::PATH.to_owned(), web::get().to(shadow::list)),
        guarded(
            "GET",
            format!("{}/{{id}}", shadow::PATH),
            web::get().to(shadow::show),
        ),
        guarded("GET", of_webhooks(""), web::get().to(webhooks::list)),
        guarded("POST", of_webhooks(""), web::post().to(webhooks::save)),
        guarded(
            "DELETE",
            of_webhooks("/{id}"),
            web::delete().to(webhooks::delete),
        ),
        guarded(
            "POST",
            of_webhooks("/{id}/rotate"),
            web::post().to(webhooks::rotate),
        ),
        guarded(
            "POST",
            of_webhooks("/{id}/try"),
            web::post().to(trials::try_call),
        ),
    ]
}

/// Adds every endpoint to a server.
pub(in crate::http) fn configure(server: &mut web::ServiceConfig) {
    let mut left = endpoints();
    while let Some(first) = left.first() {
        let (path, is_guarded) = (first.path.clone(), first.guarded);
        let (here, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|one| one.path == path);
        left = others;
        let methods: Vec<&str> = here.iter().map(|one| one.method).collect();
        let methods = methods.join(", ");
        // Ids are digits; anything else matches no route.
        let mut resource = web::resource(path.replace("{id}", "{id:[0-9]+}"));
        for endpoint in here {
            resource = resource.route(endpoint.route);
        }
        let resource = resource.default_service(web::to(move || {
            let response = health::wrong_method(&methods);
            async { response }
        }));
        if is_guarded {
            server.service(resource.wrap(from_fn(access::guard)));
        } else {
            server.service(resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::LONGEST_OLD_KEY_HOURS;
    use crate::operations::record::LONGEST_PAGE;

    #[test]
    fn every_route_is_described_and_every_description_has_its_route() {
        let served: BTreeSet<(String, String)> = endpoints()
            .into_iter()
            .map(|one| (one.path, one.method.to_lowercase()))
            .collect();
        let document = serde_json::to_value(openapi::describe()).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                described.insert((path.clone(), method.clone()));
                let guarded = endpoints()
                    .iter()
                    .any(|one| one.path == *path && one.guarded);
                let answers = operation["responses"].as_object().unwrap();
                assert_eq!(operation["security"].is_array(), guarded, "{path}");
                assert_eq!(answers.contains_key("401"), guarded, "{path}");
            }
        }
        assert_eq!(served, described);
    }
    /// The attributes that describe a route cannot take constants, so the limits are written out there.
    #[test]
    fn described_limits_are_those_that_hold() {
        let document = serde_json::to_value(openapi::describe()).unwrap();
        for path in ["/runs", "/refused", "/shadow"] {
            let parameters = document["paths"][path]["get"]["parameters"].as_array();
            let limit = parameters
                .unwrap()
                .iter()
                .find(|one| one["name"] == "limit");
            assert_eq!(limit.unwrap()["schema"]["maximum"], LONGEST_PAGE);
        }
        let rotate = &document["components"]["schemas"]["Rotate"]["properties"]["grace_hours"];
        assert_eq!(rotate["maximum"], LONGEST_OLD_KEY_HOURS);
    }
}
