//! The site's folder `wp-content`, which `wp-config.php` may move.

use std::path::{Path, PathBuf};

use super::problem::{Flaw, Reported};
use super::settings::Settings;
use super::wp_config::WpConfig;

/// Where the site's `wp-content` is, as far as the daemon knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The folder.
    pub folder: Option<PathBuf>,
    /// The folder of translations, if they are not in `languages` below it.
    pub translations: Option<PathBuf>,
    /// Where must-use plugins are, for people to read.
    pub must_use_plugins: String,
    /// Why the folder is not known, or may be another one.
    pub doubt: Option<String>,
}

impl Content {
    /// `site` is what `wordpress.root` leads to, or the problem already noted with it.
    pub(super) fn read(
        settings: &mut Settings,
        site: Result<Option<&WpConfig>, Reported>,
    ) -> Result<Self, Reported> {
        let languages = settings.optional("wordpress.languages");
        let given = settings.optional_parsed("wordpress.content", existing_folder);
        let translations = languages?.map(PathBuf::from);
        let config = site.ok().flatten();
        let constant = |name| config.map_or(Ok(None), |config| config.text(name));
        let (folder, translations, doubt) = if let Some(folder) = given? {
            (Some(folder), translations, None)
        } else if let Some(config) = site? {
            let (folder, doubt) = of_site(config);
            let constant = || Some(config.by_links(absolute(&constant("WP_LANG_DIR").ok()??)?));
            (folder, translations.or_else(constant), doubt)
        } else {
            let doubt = "neither wordpress.root nor wordpress.content is set";
            (None, translations, Some(doubt.to_owned()))
        };
        let must_use_plugins = match constant("WPMU_PLUGIN_DIR") {
            Ok(Some(text)) => match (absolute(&text), config) {
                (Some(folder), Some(config)) => config.by_links(folder).display().to_string(),
                _ => text,
            },
            Ok(None) => folder.as_ref().map_or_else(
                || "wp-content/mu-plugins".to_owned(),
                |folder| folder.join("mu-plugins").display().to_string(),
            ),
            Err(_) => "the folder that WPMU_PLUGIN_DIR names".to_owned(),
        };
        Ok(Self {
            folder,
            translations,
            must_use_plugins,
            doubt,
        })
    }

    /// The folder of WordPress's own translations.
    pub fn languages(&self) -> Option<PathBuf> {
        let below = || self.below("languages");
        self.translations.clone().or_else(below)
    }

    /// A file or folder in `wp-content`.
    pub fn below(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(name))
    }

    /// Why nothing can be said about what is missing in the folder.
    pub fn obscured(&self) -> Option<String> {
        match &self.folder {
            Some(folder) if !folder.is_dir() => Some(format!(
                "{} is no directory that the daemon can read",
                folder.display()
            )),
            _ => self.doubt.clone(),
        }
    }
}

/// What `wp-config.php` says, or WordPress's default.
fn of_site(config: &WpConfig) -> (Option<PathBuf>, Option<String>) {
    match config.text("WP_CONTENT_DIR") {
        Ok(Some(text)) => {
            let folder = absolute(&text).map(|folder| config.by_links(folder));
            let is_relative = folder.is_none();
            let why = format!("WP_CONTENT_DIR is {text:?}, which is not an absolute path");
            (folder, is_relative.then(|| config.blame(&why)))
        }
        Ok(None) => {
            let doubt = config.may_be_set("WP_CONTENT_DIR");
            let folder = config.root.join("wp-content");
            (Some(folder), doubt.map(|why| config.blame(&why)))
        }
        Err(why) => (None, Some(config.blame(&why))),
    }
}

fn absolute(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    path.is_absolute().then(|| path.components().collect())
}

fn existing_folder(text: &str) -> Result<PathBuf, Flaw> {
    let path = PathBuf::from(text);
    if path.is_dir() {
        return Ok(path);
    }
    Err(Flaw::new(
        "is not a directory that the daemon can read",
        "name the folder that has the site's plugins and uploads, usually wp-content below wordpress.root",
    ))
}
