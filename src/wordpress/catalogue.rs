//! Loads WordPress's translations: `LOCALE.mo` files of the default text domain, in `wp-content/languages`.

mod mo;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use self::mo::Texts;
use super::file_stamp::FileStamp;

/// The translations of one language; falls back to the English original.
#[derive(Clone, Default)]
pub struct Catalogue(Option<Arc<Texts>>);

impl Catalogue {
    /// Whether there are translations.
    pub fn is_translated(&self) -> bool {
        self.0.is_some()
    }

    /// The translation, or the text itself.
    pub fn translate<'a>(&'a self, text: &'a str) -> &'a str {
        self.find(text).unwrap_or(text)
    }

    /// Like `translate`, for a text whose meaning depends on `context`.
    pub fn translate_in<'a>(&'a self, context: &str, text: &'a str) -> &'a str {
        self.find(&format!("{context}\u{4}{text}")).unwrap_or(text)
    }

    fn find(&self, original: &str) -> Option<&str> {
        let translation = self.0.as_ref()?.get(original)?;
        Some(translation.as_str()).filter(|translation| !translation.is_empty())
    }
}

/// The languages of a folder, loaded on demand and reloaded when a file changes.
pub struct Catalogues {
    folder: Option<PathBuf>,
    read: Mutex<HashMap<String, (FileStamp, Catalogue)>>,
}

impl Catalogues {
    /// The catalogues in `folder`.
    pub fn in_folder(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            read: Mutex::default(),
        }
    }

    /// English only.
    #[cfg(test)]
    pub fn none() -> Self {
        Self::in_folder(None)
    }

    /// The catalogue of a locale such as `de_DE`. Falls back to English if the file is missing or unreadable; logs a
    /// warning if a file exists but is not a UTF-8 catalogue.
    pub fn of(&self, locale: &str) -> Catalogue {
        let is_name = locale
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let Some(folder) = self
            .folder
            .as_ref()
            .filter(|_| is_name && !locale.is_empty())
        else {
            return Catalogue::default();
        };
        let path = folder.join(format!("{locale}.mo"));
        let Some(stamp) = FileStamp::of(&path) else {
            return Catalogue::default();
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, catalogue)) = read.get(locale)
            && *when == stamp
        {
            return catalogue.clone();
        }
        let file = std::fs::read(&path).ok();
        let texts = file.as_deref().and_then(mo::parse);
        if file.is_some() && texts.is_none() {
            tracing::warn!(
                "{} is no catalogue in UTF-8: texts are in English",
                path.display()
            );
        }
        let catalogue = Catalogue(texts.map(Arc::new));
        read.insert(locale.to_owned(), (stamp, catalogue.clone()));
        catalogue
    }
}
