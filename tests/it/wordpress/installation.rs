//! A private WordPress folder, made from Debian's packages.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use fcom_sidecar::sample::server::PrivateServer;
use tempfile::TempDir;

use super::{PREFIX, programs};

const PACKAGE: &str = "/usr/share/wordpress";
const LANGUAGES: &str = "wp-content/languages";
/// One of the files of Debian's translations.
const TRANSLATION: &str = "/usr/share/wordpress/wp-content/languages/de_DE.mo";

/// The folder, deleted on drop.
pub(super) struct Installation(TempDir);

impl Installation {
    /// A folder whose `wp-config.php` names this database and also defines these constants. WordPress looks for its
    /// configuration in the folder of the running file, with links resolved; so these files are copies, and the folders
    /// without entry points are links.
    pub(super) fn on(server: &PrivateServer, database: &str, constants: &str) -> Self {
        programs::file(&format!("{PACKAGE}/wp-load.php"));
        programs::file(TRANSLATION);
        let folder = tempfile::tempdir().unwrap();
        let (package, root) = (Path::new(PACKAGE), folder.path());
        fs::create_dir(root.join("wp-admin")).unwrap();
        take(
            package,
            root,
            &["wp-admin", "wp-content", "wp-config.php", ".htaccess"],
        );
        take(&package.join("wp-admin"), &root.join("wp-admin"), &[]);
        fs::create_dir_all(root.join(LANGUAGES)).unwrap();
        take(
            &package.join("wp-content"),
            &root.join("wp-content"),
            &["languages"],
        );
        for entry in fs::read_dir(package.join(LANGUAGES)).unwrap() {
            let file = entry.unwrap();
            symlink(file.path(), root.join(LANGUAGES).join(file.file_name())).unwrap();
        }
        let installation = Self(folder);
        installation.configure(server, database, constants);
        installation
    }

    /// Rewrites `wp-config.php`.
    pub(super) fn configure(&self, server: &PrivateServer, database: &str, constants: &str) {
        fs::write(
            self.root().join("wp-config.php"),
            configuration(server, database, constants),
        )
        .unwrap();
    }

    /// The value for `wordpress.root`.
    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }
}

/// Copies the files of a folder and links the folders in it.
fn take(from: &Path, to: &Path, without: &[&str]) {
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        if without.iter().any(|other| name == *other) {
            continue;
        }
        let (source, target) = (from.join(&name), to.join(&name));
        if source.is_dir() {
            symlink(source, target).unwrap();
        } else {
            fs::copy(source, target).unwrap();
        }
    }
}

/// Constants as an operator writes them. WordPress does no work beside requests, so that tests have it to themselves.
fn configuration(server: &PrivateServer, database: &str, constants: &str) -> String {
    let (password, port) = (server.password(), server.port());
    let keys = ["AUTH", "SECURE_AUTH", "LOGGED_IN", "NONCE"].map(|name| {
        format!("define( '{name}_KEY', '{name} key' );\ndefine( '{name}_SALT', '{name} salt' );\n")
    });
    let keys = keys.concat();
    format!(
        "<?php\n\
         define( 'DB_NAME', '{database}' );\n\
         define( 'DB_USER', 'sidecar' );\n\
         define( 'DB_PASSWORD', '{password}' );\n\
         define( 'DB_HOST', '127.0.0.1:{port}' );\n\
         define( 'DB_CHARSET', 'utf8mb4' );\n\
         define( 'DB_COLLATE', '' );\n\
         {keys}\
         {constants}\
         define( 'DISABLE_WP_CRON', true );\n\
         define( 'WP_HTTP_BLOCK_EXTERNAL', true );\n\
         define( 'AUTOMATIC_UPDATER_DISABLED', true );\n\
         $table_prefix = '{PREFIX}';\n\
         if ( ! defined( 'ABSPATH' ) ) {{\n\tdefine( 'ABSPATH', __DIR__ . '/' );\n}}\n\
         require_once ABSPATH . 'wp-settings.php';\n"
    )
}
