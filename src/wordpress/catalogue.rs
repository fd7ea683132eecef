//! Loads WordPress's translations: `LOCALE.mo` files of the default text domain, in `wp-content/languages`.

mod mo;

use std::collections::HashMap;
use std::io::ErrorKind;
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

    fn path(&self, locale: &str) -> Option<PathBuf> {
        let is_name = locale
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let folder = self.folder.as_ref();
        let folder = folder.filter(|_| is_name && !locale.is_empty())?;
        Some(folder.join(format!("{locale}.mo")))
    }

    /// Why the catalogue of a locale cannot be read, if it is there or may be.
    pub fn obstacle(&self, locale: &str) -> Option<String> {
        let path = self.path(locale)?;
        let error = std::fs::File::open(&path).err()?;
        let is_hidden = error.kind() != ErrorKind::NotFound;
        is_hidden.then(|| format!("{} cannot be read: {error}", path.display()))
    }

    /// The catalogue of a locale such as `de_DE`. Falls back to English if the file is missing; logs a warning if a file exists
    /// but cannot be read or is not a UTF-8 catalogue.
    pub fn of(&self, locale: &str) -> Catalogue {
        let Some(path) = self.path(locale) else {
            return Catalogue::default();
        };
        let Some(stamp) = FileStamp::of(&path) else {
            return Catalogue::default();
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, catalogue)) = read.get(locale)
            && *when == stamp
        {
            return catalogue.clone();
        }
        let texts = match std::fs::read(&path) {
            Ok(file) => mo::parse(&file).ok_or_else(|| "is no catalogue in UTF-8".to_owned()),
            Err(error) => Err(format!("cannot be read ({error})")),
        };
        if let Err(why) = &texts {
            tracing::warn!("{} {why}: texts are in English", path.display());
        }
        let catalogue = Catalogue(texts.ok().map(Arc::new));
        read.insert(locale.to_owned(), (stamp, catalogue.clone()));
        catalogue
    }
}
