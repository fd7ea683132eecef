//! Follows the code of a configuration without running it: statement by statement, with values where they are known and
//! reasons where they are not. A condition that is not known takes both ways. Loops are not followed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::state::{Definition, State};
use super::syntax::{Code, Node};
use super::value::{Cause, Place, Value};

/// The most steps: far more than any configuration takes, and done in a fraction of a second.
const MOST_STEPS: usize = 200_000;
/// The deepest nesting of expressions, statements, files and functions together.
const DEEPEST: usize = 64;

/// What the code is evaluated with.
pub(in crate::config) struct Surroundings<'a> {
    /// The daemon's environment, which stands for PHP's.
    pub(in crate::config) environment: &'a BTreeMap<String, String>,
    /// Constants that are defined before the code runs.
    pub(in crate::config) constants: Vec<(&'static str, Vec<u8>)>,
    /// The folder whose files the daemon sees as PHP does.
    pub(in crate::config) folder: PathBuf,
    /// The folder that relative paths start from, besides the file's own.
    pub(in crate::config) working_directory: PathBuf,
    /// Whether the code may name other files.
    pub(in crate::config) follows_files: bool,
}

/// What the code defines.
#[derive(Debug, Default)]
pub(in crate::config) struct Outcome {
    pub(in crate::config) constants: HashMap<String, Definition>,
    pub(in crate::config) variables: HashMap<String, Definition>,
    /// Why more may be defined than is known.
    pub(in crate::config) unseen: Option<Rc<Cause>>,
    /// The files that were read.
    pub(in crate::config) files: Vec<PathBuf>,
}

/// The code ends here (`exit`, an uncaught exception), or it is too long to be followed.
pub(super) struct Ended;

pub(super) type Step<T> = Result<T, Ended>;

/// How a statement ends.
pub(super) enum Flow {
    Next,
    /// `return`, from a function or a file.
    Return(Value),
    /// `break` or `continue`.
    Break,
}

/// What a function or file has returned on some ways, with the state there.
#[derive(Default)]
pub(super) struct Frame {
    pub(super) returned: Vec<(State, Value, Rc<Cause>)>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact about the code of its own"
)]
pub(super) struct Evaluator<'a> {
    pub(super) around: &'a Surroundings<'a>,
    pub(super) state: State,
    /// The file that is being followed.
    pub(super) code: Rc<Code>,
    pub(super) frames: Vec<Frame>,
    pub(super) files: Vec<PathBuf>,
    /// Whether a variable that the environment lacks is taken as not set.
    pub(super) trusts_absence: bool,
    /// Whether the code asked for a variable that was not there, and for one that was: in the environment or an .env file.
    pub(super) has_missed: bool,
    pub(super) has_met: bool,
    /// The variables of the .env files.
    pub(super) loaded: HashSet<String>,
    /// How often something was called that might do anything.
    pub(super) strangers: usize,
    /// Whether the code that is followed is in a namespace.
    pub(super) is_namespaced: bool,
    /// Whether only some ways have left a `switch`.
    pub(super) is_broken_apart: bool,
    steps: usize,
    depth: usize,
}

/// What a file defines.
pub(in crate::config) fn evaluate(path: &Path, source: &[u8], around: &Surroundings) -> Outcome {
    let first = Evaluator::new(path, around, true);
    let (outcome, is_doubtful) = first.run(source);
    if !is_doubtful {
        return outcome;
    }
    // Nothing of what the code asks for is there: the daemon's environment is evidently not PHP's.
    Evaluator::new(path, around, false).run(source).0
}

impl<'a> Evaluator<'a> {
    fn new(path: &Path, around: &'a Surroundings<'a>, trusts_absence: bool) -> Self {
        let path: Rc<Path> = path.into();
        let place = Place {
            file: Rc::clone(&path),
            line: 0,
        };
        let mut state = State::default();
        for (name, value) in &around.constants {
            state.define(name, Value::Text(value.as_slice().into()), place.clone());
        }
        Self {
            around,
            state,
            code: Rc::new(Code::empty(path)),
            frames: Vec::new(),
            files: Vec::new(),
            trusts_absence,
            has_missed: false,
            has_met: false,
            loaded: HashSet::new(),
            strangers: 0,
            is_namespaced: false,
            is_broken_apart: false,
            steps: 0,
            depth: 0,
        }
    }

    /// The outcome, and whether the environment seems to be another one than PHP's.
    fn run(mut self, source: &[u8]) -> (Outcome, bool) {
        let path = Rc::clone(&self.code.path);
        // Whatever was defined before an end counts.
        let _ = self.follow_source(&path, source, false);
        let is_exhausted = self.steps >= MOST_STEPS;
        let is_doubtful = self.trusts_absence && self.has_missed && !self.has_met;
        if is_exhausted {
            let cause = Rc::new(Cause {
                what: "code that the daemon does not follow".to_owned(),
                place: Place {
                    file: path,
                    line: 1,
                },
            });
            self.state.forget(&cause);
            self.state.forget_constants(&cause);
        }
        let unseen = self.state.unseen.clone();
        let (constants, variables) = self.state.into_globals();
        let outcome = Outcome {
            constants,
            variables,
            unseen,
            files: self.files,
        };
        (outcome, is_doubtful)
    }

    pub(super) fn place(&self, node: &Node) -> Place {
        Place {
            file: Rc::clone(&self.code.path),
            line: node.line,
        }
    }

    pub(super) fn cause(&self, node: &Node, what: impl Into<String>) -> Rc<Cause> {
        Rc::new(Cause {
            what: what.into(),
            place: self.place(node),
        })
    }

    pub(super) fn unknown(&self, node: &Node, what: impl Into<String>) -> Value {
        Value::Unknown(self.cause(node, what))
    }

    /// A text, unless it is too long.
    pub(super) fn text(&self, node: &Node, bytes: impl AsRef<[u8]>) -> Value {
        Value::text(bytes).unwrap_or_else(|| self.unknown(node, "a very long text"))
    }

    /// Counts steps; there is an end to them.
    pub(super) fn spend(&mut self, steps: usize) -> Step<()> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps >= MOST_STEPS {
            return Err(Ended);
        }
        Ok(())
    }

    /// Ends the evaluation: nothing is known.
    pub(super) fn give_up<T>(&mut self) -> Step<T> {
        self.steps = MOST_STEPS;
        Err(Ended)
    }

    /// Goes one level deeper; what is nested too deeply is not followed.
    pub(super) fn deeper<T>(
        &mut self,
        node: &Rc<Node>,
        instead: impl FnOnce(Value) -> T,
        go: impl FnOnce(&mut Self) -> Step<T>,
    ) -> Step<T> {
        self.spend(1)?;
        if self.depth == DEEPEST {
            let cause = self.cause(node, "deeply nested code");
            self.blur(node, &cause)?;
            return Ok(instead(Value::Unknown(cause)));
        }
        self.depth += 1;
        let gone = go(self);
        self.depth -= 1;
        gone
    }

    /// Follows a function or file in a frame of its own; what its ways return becomes one value and one state.
    pub(super) fn in_frame(&mut self, go: impl FnOnce(&mut Self) -> Step<Flow>) -> Step<Value> {
        self.frames.push(Frame::default());
        let ended = go(self);
        let frame = self.frames.pop().unwrap_or_default();
        let mut value = match ended {
            Ok(Flow::Return(value)) => Ok(value),
            Ok(_) => Ok(Value::Null),
            Err(Ended) => Err(Ended),
        };
        for (state, other, cause) in frame.returned {
            value = if let Ok(value) = value {
                self.state.merge(state, &cause);
                Ok(join(value, &other, &cause))
            } else {
                self.state = state;
                Ok(other)
            };
        }
        self.spend(0)?;
        value
    }

    /// Takes both ways of a condition that is not known.
    pub(super) fn both<T>(
        &mut self,
        one: impl FnOnce(&mut Self) -> Step<T>,
        other: impl FnOnce(&mut Self) -> Step<T>,
    ) -> Step<(Step<T>, Step<T>, State)> {
        self.spend(self.state.size())?;
        let before = self.state.clone();
        let first = one(self);
        let after_first = std::mem::replace(&mut self.state, before);
        let second = other(self);
        self.spend(self.state.size())?;
        Ok((first, second, after_first))
    }

    /// Both ways of an expression.
    pub(super) fn either_value(
        &mut self,
        cause: &Rc<Cause>,
        one: impl FnOnce(&mut Self) -> Step<Value>,
        other: impl FnOnce(&mut Self) -> Step<Value>,
    ) -> Step<Value> {
        match self.both(one, other)? {
            (Err(Ended), second, _) => second,
            (first, Err(Ended), after_first) => {
                self.state = after_first;
                first
            }
            (Ok(first), Ok(second), after_first) => {
                self.state.merge(after_first, cause);
                Ok(join(first, &second, cause))
            }
        }
    }

    /// Both ways of a statement.
    pub(super) fn either_flow(
        &mut self,
        cause: &Rc<Cause>,
        one: impl FnOnce(&mut Self) -> Step<Flow>,
        other: impl FnOnce(&mut Self) -> Step<Flow>,
    ) -> Step<Flow> {
        let (first, second, after_first) = match self.both(one, other)? {
            (Err(Ended), second, _) => return second,
            (first, Err(Ended), after_first) => {
                self.state = after_first;
                return first;
            }
            (Ok(first), Ok(second), after_first) => (first, second, after_first),
        };
        match (first, second) {
            (Flow::Return(one), Flow::Return(two)) => {
                self.state.merge(after_first, cause);
                Ok(Flow::Return(join(one, &two, cause)))
            }
            (Flow::Return(value), flow) => {
                self.note_return(after_first, value, cause);
                Ok(flow)
            }
            (flow, Flow::Return(value)) => {
                let after_second = std::mem::replace(&mut self.state, after_first);
                self.note_return(after_second, value, cause);
                Ok(flow)
            }
            (Flow::Next, Flow::Next) => {
                self.state.merge(after_first, cause);
                Ok(Flow::Next)
            }
            (Flow::Break, Flow::Break) => {
                self.state.merge(after_first, cause);
                Ok(Flow::Break)
            }
            _ => {
                self.is_broken_apart = true;
                self.state.merge(after_first, cause);
                Ok(Flow::Next)
            }
        }
    }

    pub(super) fn note_return(&mut self, state: State, value: Value, cause: &Rc<Cause>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.returned.push((state, value, Rc::clone(cause)));
        }
    }
}

/// The value that two ways have in common.
fn join(one: Value, other: &Value, cause: &Rc<Cause>) -> Value {
    if one == *other {
        return one;
    }
    match (one, other) {
        (Value::Unknown(cause), _) => Value::Unknown(cause),
        (_, Value::Unknown(cause)) => Value::Unknown(Rc::clone(cause)),
        _ => Value::Unknown(Rc::clone(cause)),
    }
}
