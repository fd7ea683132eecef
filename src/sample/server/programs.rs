//! Locates the programs of a private server: the machine's, or those in a folder with another release.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{ServerError, system};
use crate::sample::machine::{find_program, find_program_below};

/// The two servers with the same protocol. They differ in how system tables are created, in some options and in their
/// accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `MariaDB`.
    MariaDb,
    /// `MySQL`.
    MySql,
}

/// The paths of one server's programs.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) family: Family,
    pub(super) server: PathBuf,
    /// Creates the system tables; MySQL's server does so itself.
    installer: Option<PathBuf>,
    /// The folder that replaces `/usr`, if the programs are not the machine's.
    base: Option<PathBuf>,
}

impl Programs {
    /// Finds the programs below `root`, or on the machine.
    pub(super) fn find(root: Option<&Path>) -> Result<Self, ServerError> {
        // The server changes its working directory.
        let root = root.map(std::path::absolute).transpose();
        let root = root.map_err(system("find the server's folder"))?;
        let find = |names: &[&str]| match &root {
            Some(root) => find_program_below(root, names),
            None => find_program(names),
        };
        let server = find(&["mariadbd", "mysqld"]).ok_or(ServerError::NotInstalled("mariadbd"))?;
        let family = family_of(&server)?;
        let installer = match family {
            Family::MySql => None,
            Family::MariaDb => Some(
                find(&["mariadb-install-db", "mysql_install_db"])
                    .ok_or(ServerError::NotInstalled("mariadb-install-db"))?,
            ),
        };
        Ok(Self {
            family,
            server,
            installer,
            base: root.map(|root| root.join("usr")),
        })
    }

    /// The command that creates the system tables. Its first argument must precede all others.
    pub(super) fn install(&self) -> Command {
        let program = self.installer.as_ref().unwrap_or(&self.server);
        let mut command = self.with_base(program, "--no-defaults");
        match self.family {
            // `--force`: otherwise it looks up the machine's own name, which cannot be resolved in many containers.
            Family::MariaDb => command
                .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
                .args(["--force", "--skip-name-resolve"])
                .arg("--innodb-log-file-size=32M"),
            Family::MySql => command
                .args(["--initialize-insecure", "--disable-log-bin"])
                .arg("--innodb-redo-log-capacity=64M"),
        };
        command
    }

    /// The command that starts the server with this option file.
    pub(super) fn serve(&self, option_file: &Path) -> Command {
        let first = format!("--defaults-file={}", option_file.display());
        self.with_base(&self.server, &first)
    }

    fn with_base(&self, program: &Path, first: &str) -> Command {
        let mut command = Command::new(program);
        command.arg(first);
        if let Some(base) = &self.base {
            command.arg(format!("--basedir={}", base.display()));
        }
        command
    }
}

impl Family {
    /// Settings of every server of this family: little memory, no second port, and a binary log for MySQL only, which
    /// has one by default.
    pub(super) fn option_file(self) -> &'static str {
        match self {
            Self::MariaDb => {
                "[mysqld]\ninnodb_buffer_pool_size = 64M\ninnodb_log_file_size = 32M\nskip_log_bin\n"
            }
            Self::MySql => {
                "[mysqld]\ninnodb_buffer_pool_size = 64M\ninnodb_redo_log_capacity = 64M\nmysqlx = OFF\nsecure_file_priv = NULL\n"
            }
        }
    }

    /// Restricts `root` to the socket: MariaDB's installer also lets it in over TCP without a password.
    pub(super) fn confine_root(self) -> &'static str {
        match self {
            Self::MariaDb => {
                "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost'; FLUSH PRIVILEGES; "
            }
            Self::MySql => "",
        }
    }
}

/// Judged by the server's version output: `mysqld` is also an older name of MariaDB's server.
fn family_of(server: &Path) -> Result<Family, ServerError> {
    let output = Command::new(server).arg("--version").output();
    let output = output.map_err(system("ask the server for its version"))?;
    let version = String::from_utf8_lossy(&output.stdout);
    Ok(if version.contains("MariaDB") {
        Family::MariaDb
    } else {
        Family::MySql
    })
}
