//! The files that the code names: those it includes, and those it asks about. Only files of the site are known not to be
//! there: PHP may see others that the daemon does not.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::evaluate::{Evaluator, Step};
use super::syntax::{LARGEST_FILE, Node, parse};
use super::value::Value;

/// How deeply files include files.
const MOST_FILES: usize = 50;

/// What the daemon knows about a path.
pub(super) enum Found {
    File(PathBuf),
    Directory(PathBuf),
    Nothing,
    Unknown,
}

impl Evaluator<'_> {
    /// The folder of the file that is followed.
    pub(super) fn folder(&self) -> PathBuf {
        let folder = self.code.path.parent();
        folder.unwrap_or(Path::new("/")).to_path_buf()
    }

    pub(super) fn include(&mut self, node: &Rc<Node>) -> Step<Value> {
        let path = self.only(node)?;
        let Value::Text(path) = &path else {
            let cause = self.cause(node, "a file that is included");
            self.strangers += 1;
            self.state.forget(&cause);
            return Ok(Value::Unknown(cause));
        };
        let path = Path::new(OsStr::from_bytes(path));
        // From here on WordPress itself runs.
        if path.file_name() == Some(OsStr::new("wp-settings.php")) {
            self.state.start();
            return Ok(Value::Int(1));
        }
        // Composer's loader declares classes and functions, no constants.
        if path.ends_with("vendor/autoload.php") {
            return Ok(self.unknown(node, "what vendor/autoload.php returns"));
        }
        let is_required = node.kind().starts_with("require");
        match self.find_included(path) {
            Found::File(path) => self.include_file(node, &path.as_path().into()),
            Found::Nothing if !is_required => Ok(Value::Bool(false)),
            _ => Ok(self.not_included(node, path)),
        }
    }

    fn not_included(&mut self, node: &Rc<Node>, path: &Path) -> Value {
        let cause = self.cause(node, format!("the file {}", path.display()));
        self.strangers += 1;
        self.state.forget(&cause);
        Value::Unknown(cause)
    }

    fn include_file(&mut self, node: &Rc<Node>, path: &Rc<Path>) -> Step<Value> {
        if node.kind().contains("once") {
            match self.state.included.get(path) {
                Some(true) => return Ok(Value::Bool(true)),
                Some(false) => return Ok(self.not_included(node, path)),
                None => {}
            }
        }
        self.state.included.insert(Rc::clone(path), true);
        match read(path) {
            Some(source) if self.files.len() < MOST_FILES && self.around.follows_files => {
                self.spend(source.len() / 64)?;
                self.follow_source(path, &source, false)
            }
            _ => Ok(self.not_included(node, path)),
        }
    }

    /// Follows the source of a file.
    pub(super) fn follow_source(
        &mut self,
        path: &Rc<Path>,
        source: &[u8],
        is_open: bool,
    ) -> Step<Value> {
        self.files.push(path.to_path_buf());
        match parse(path, source, is_open) {
            Ok(code) => {
                let code = Rc::new(code);
                let root = Rc::clone(&code.root);
                self.deeper(&root, |unknown| unknown, |it| it.follow_code(code))
            }
            Err(refused) => {
                let cause = Rc::new(super::value::Cause {
                    what: "code that the daemon does not understand".to_owned(),
                    place: super::value::Place {
                        file: Rc::clone(path),
                        line: refused.line,
                    },
                });
                self.state.forget(&cause);
                Ok(Value::Unknown(cause))
            }
        }
    }

    /// Where PHP looks for an included file: for a relative path in the working directory and beside the code.
    fn find_included(&self, path: &Path) -> Found {
        if path.is_absolute() || !self.around.follows_files {
            return self.find(path);
        }
        let here = self.find(&self.around.working_directory.join(path));
        let is_explicit = path.starts_with(".") || path.starts_with("..");
        let beside = self.folder();
        if is_explicit || beside == self.around.working_directory {
            return here;
        }
        match (here, self.find(&beside.join(path))) {
            (Found::File(path), Found::Nothing) | (Found::Nothing, Found::File(path)) => {
                Found::File(path)
            }
            (Found::Nothing, Found::Nothing) => Found::Nothing,
            _ => Found::Unknown,
        }
    }

    /// What is at an absolute path.
    pub(super) fn find(&self, path: &Path) -> Found {
        if !path.is_absolute() || !self.around.follows_files {
            return Found::Unknown;
        }
        match fs::canonicalize(path) {
            Ok(path) if path.is_dir() => Found::Directory(path),
            Ok(path) if path.is_file() => Found::File(path),
            Err(error) if error.kind() == ErrorKind::NotFound && self.is_of_site(path) => {
                Found::Nothing
            }
            Ok(_) | Err(_) => Found::Unknown,
        }
    }

    fn is_of_site(&self, path: &Path) -> bool {
        let has_parent = path
            .components()
            .any(|component| component == std::path::Component::ParentDir);
        path.starts_with(&self.around.folder) && !has_parent
    }

    pub(super) fn file_test(&self, node: &Node, test: &str, path: &Value) -> Value {
        let Value::Text(path) = path else {
            return self.not_a_text(node, path.clone());
        };
        let path = Path::new(OsStr::from_bytes(path));
        match (self.find(path), test) {
            (Found::File(_), "is_dir") | (Found::Directory(_), "is_file") | (Found::Nothing, _) => {
                Value::Bool(false)
            }
            (Found::File(path), "is_readable") if fs::File::open(&path).is_err() => {
                self.unknown(node, format!("the file {}", path.display()))
            }
            (Found::Directory(_), "is_readable") | (Found::Unknown, _) => {
                self.unknown(node, format!("the file {}", path.display()))
            }
            _ => Value::Bool(true),
        }
    }

    pub(super) fn file_contents(&self, node: &Node, path: &Value) -> Value {
        let Value::Text(path) = path else {
            return self.not_a_text(node, path.clone());
        };
        let path = Path::new(OsStr::from_bytes(path));
        let content = match self.find(path) {
            Found::File(path) => read(&path),
            _ => None,
        };
        content.map_or_else(
            || self.unknown(node, format!("the file {}", path.display())),
            |content| self.text(node, content),
        )
    }

    pub(super) fn real_path(&self, node: &Node, path: &Value) -> Value {
        let Value::Text(path) = path else {
            return self.not_a_text(node, path.clone());
        };
        match self.find(Path::new(OsStr::from_bytes(path))) {
            Found::File(path) | Found::Directory(path) => {
                self.text(node, path.as_os_str().as_bytes())
            }
            Found::Nothing => Value::Bool(false),
            Found::Unknown => self.unknown(node, "realpath()"),
        }
    }
}

/// A file of configuration, if it is one.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    let file = fs::File::open(path).ok()?;
    let most = u64::try_from(LARGEST_FILE).ok()?;
    let mut content = Vec::new();
    file.take(most + 1).read_to_end(&mut content).ok()?;
    (content.len() <= LARGEST_FILE).then_some(content)
}
