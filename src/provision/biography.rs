//! A biography as HTML. Hostile text takes long to render, so no row is locked meanwhile: whoever meets a biography behind
//! a lock lets go, has it rendered, and begins again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::ProvisionError;
use crate::fluentcommunity::markdown::render_description;

/// The biography that a call met last.
#[derive(Default)]
pub(super) struct Biography(Mutex<Option<Met>>);

struct Met {
    text: String,
    /// `None` until it is rendered.
    html: Option<String>,
}

impl Biography {
    /// The HTML of this text.
    ///
    /// # Errors
    /// [`ProvisionError::Unrendered`]: let go of the lock, and call [`render`](Self::render).
    pub(super) fn html(&self, text: &str) -> Result<String, ProvisionError> {
        if text.is_empty() {
            return Ok(String::new());
        }
        let mut met = self.met();
        if let Some(Met {
            text: rendered,
            html: Some(html),
        }) = &*met
            && rendered == text
        {
            return Ok(html.clone());
        }
        *met = Some(Met {
            text: text.to_owned(),
            html: None,
        });
        Err(ProvisionError::Unrendered)
    }

    /// Renders the text that was met last, in one of these places. Must not be called while a row is locked.
    pub(super) async fn render(&self, places: &Semaphore) -> Result<(), ProvisionError> {
        let _place = places.acquire().await.expect("nobody closes it");
        let met = self.met().take();
        let Some(Met { text, .. }) = met else {
            return Ok(());
        };
        let render = move || {
            let html = Some(render_description(&text));
            Met { text, html }
        };
        let rendered = tokio::task::spawn_blocking(render).await?;
        *self.met() = Some(rendered);
        Ok(())
    }

    fn met(&self) -> MutexGuard<'_, Option<Met>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_biography_is_rendered_before_it_is_used_and_again_when_it_changed() {
        let biography = Biography::default();
        assert_eq!(biography.html("").unwrap(), "");
        for text in ["a *b*", "c"] {
            let unrendered = biography.html(text);
            assert!(matches!(unrendered, Err(ProvisionError::Unrendered)));
            biography.render(&Semaphore::new(1)).await.unwrap();
            assert_eq!(biography.html(text).unwrap(), render_description(text));
        }
    }
}
