//! The `OpenAPI` document of the admin listener, generated from its handlers.

use actix_web::HttpResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, RefOr, ResponseBuilder, SecurityRequirement};
use utoipa::{OpenApi, openapi};

use super::{health, metrics, refused, reply, runs, shadow, trials, webhooks};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "fcom-sidecar, admin listener",
        description = "Health, metrics, the run log, the record of refused calls, calls in shadow mode, and the management of webhooks with the paths of FluentCommunity Pro's \
            own REST API."
    ),
    paths(
        health::healthz,
        health::readyz,
        document,
        metrics::metrics,
        runs::list,
        runs::show,
        refused::list,
        refused::show,
        refused::retry,
        shadow::list,
        shadow::show,
        webhooks::list,
        webhooks::save,
        webhooks::delete,
        webhooks::rotate,
        trials::try_call
    )
)]
struct Api;

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn document() -> HttpResponse {
    reply::ok(&describe())
}

/// Builds the document and adds what all guarded routes have in common.
pub(super) fn describe() -> Document {
    let mut document = Api::openapi();
    let components = document.components.get_or_insert_default();
    for (name, scheme) in [
        ("token", HttpAuthScheme::Bearer),
        ("application_password", HttpAuthScheme::Basic),
    ] {
        let scheme = HttpBuilder::new().scheme(scheme).build();
        components.add_security_scheme(name, SecurityScheme::Http(scheme));
    }
    for (path, item) in &mut document.paths.paths {
        if ![webhooks::PATH, runs::PATH, refused::PATH, shadow::PATH]
            .iter()
            .any(|guarded| path.starts_with(guarded))
        {
            continue;
        }
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            operation.security = Some(vec![
                SecurityRequirement::new("token", [""; 0]),
                SecurityRequirement::new("application_password", [""; 0]),
            ]);
            for (status, description) in [
                ("401", "No credentials, or wrong ones"),
                ("403", "A user who may not, or nobody may yet"),
                ("429", "Too many refused requests from this address"),
                ("503", "Starting, shutting down, or the database is away"),
            ] {
                let problem = openapi::Ref::from_schema_name("Problem");
                let content = openapi::ContentBuilder::new().schema(Some(problem)).build();
                let response = ResponseBuilder::new()
                    .description(description)
                    .content("application/json", content)
                    .build();
                let responses = &mut operation.responses.responses;
                responses.insert(status.to_owned(), RefOr::T(response));
            }
        }
    }
    document
}
