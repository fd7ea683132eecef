//! `GET /metrics` for Prometheus. Reads only from memory.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};

use crate::http::Front;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted and measured.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, description = "OpenMetrics")))]
pub(super) async fn metrics(front: web::Data<Front>) -> HttpResponse {
    let (site, metrics) = (&front.site, &front.metrics);
    let pool = site.pool.status();
    metrics.set_connections(pool.open, pool.idle, pool.waiting);
    metrics.set_connections_limit(pool.allowed);
    metrics.set_database_up(site.readiness.is_ready());
    metrics.set_calls_in_flight(front.max_places, front.places.available_permits());
    let Ok(text) = metrics.encode() else {
        return HttpResponse::InternalServerError().finish();
    };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, OPEN_METRICS))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text)
}
