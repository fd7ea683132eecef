//! Tells webhook calls from other requests.

use super::fields::{Field, Fields};
use super::query::query_parameter;
use crate::wordpress::php::loose;
use crate::wordpress::sanitize::strip_tags::strip_all_tags;

/// The value of `fcom_action` that makes a request a webhook call.
const ACTION: &[u8] = b"incoming_webhook";

/// Reads `$_REQUEST['fcom_action']`: the body wins over the query; trimmed and without tags, as `sanitize_text_field`
/// leaves it.
pub(super) fn is_webhook_action(query: &str, body: &Fields) -> bool {
    let from_query = || query_parameter(query, "fcom_action");
    match body.get("fcom_action").cloned().or_else(from_query) {
        Some(Field::Text(action)) => loose::trim(&strip_all_tags(&action)) == ACTION,
        _ => false,
    }
}
