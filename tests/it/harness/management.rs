//! A daemon with webhook management enabled on its admin listener.

use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

pub(crate) const PATH: &str = "/wp-json/fluent-community/v2/admin/webhooks";
pub(crate) const TOKEN: &str = "5f1c8b1de5a9407c9a1f0b6f2e7d3c48";

/// Starts a daemon that accepts this module's token for management.
pub(crate) async fn start(site: &Site) -> Sidecar {
    let sidecar = Sidecar::start_with(site, &[("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN)]).await;
    sidecar.client.record(&[TOKEN.to_owned()]);
    sidecar
}
