//! Answers of web servers that may be anyone.

use reqwest::Response;

/// The beginning of the body: all of it, or at least `longest` bytes.
///
/// # Errors
/// The connection broke.
pub(super) async fn beginning(answer: &mut Response, longest: usize) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < longest
        && let Some(chunk) = answer.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
