//! WordPress's translations: `LOCALE.mo` files of the default text domain, in `wp-content/languages`.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use gettext::Catalog;

/// One language; the English original where there is no translation.
#[derive(Clone, Default)]
pub struct Catalogue(Option<Arc<Catalog>>);

impl Catalogue {
    /// Whether there are translations.
    pub fn is_translated(&self) -> bool {
        self.0.is_some()
    }

    /// The translation, or the text itself.
    pub fn translate<'a>(&'a self, text: &'a str) -> &'a str {
        let translated = self.0.as_ref().map(|catalog| catalog.gettext(text));
        translated.filter(|text| !text.is_empty()).unwrap_or(text)
    }

    /// The same of a text that means different things in different places, of which `context` is one.
    pub fn translate_in<'a>(&'a self, context: &'a str, text: &'a str) -> &'a str {
        let catalog = self.0.as_ref();
        let translated = catalog.map(|catalog| catalog.pgettext(context, text));
        translated.filter(|text| !text.is_empty()).unwrap_or(text)
    }
}

/// The languages of a folder, read when needed and again when a file changes.
pub struct Catalogues {
    folder: Option<PathBuf>,
    read: Mutex<HashMap<String, (SystemTime, Catalogue)>>,
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

    /// The catalogue of a locale such as `de_DE`. Missing or unreadable files mean English, and a warning when a file is
    /// there.
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
        let Ok(modified) = path.metadata().and_then(|metadata| metadata.modified()) else {
            return Catalogue::default();
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, catalogue)) = read.get(locale)
            && *when == modified
        {
            return catalogue.clone();
        }
        let parsed = File::open(&path).ok().map(Catalog::parse);
        let catalogue = match parsed {
            Some(Ok(catalog)) => Catalogue(Some(Arc::new(catalog))),
            Some(Err(error)) => {
                tracing::warn!(
                    "{} is no catalogue ({error}): texts are in English",
                    path.display()
                );
                Catalogue::default()
            }
            None => Catalogue::default(),
        };
        read.insert(locale.to_owned(), (modified, catalogue.clone()));
        catalogue
    }
}
