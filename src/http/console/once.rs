//! A form that makes something is sent twice when somebody clicks twice: what it made the first time is remembered, so that it makes
//! one thing only, and of what, so that other entries are not lost. In memory of this process, of limited size.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use rand::TryRng;
use rand::rngs::SysRng;

/// So many forms are remembered.
const MOST: usize = 256;

/// The mark of one form that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Once([u8; 16]);

impl Once {
    /// # Panics
    /// If the operating system's generator fails.
    pub(super) fn draw() -> Self {
        let mut bytes = [0; 16];
        SysRng
            .try_fill_bytes(&mut bytes)
            .expect("the operating system provides random numbers");
        Self(bytes)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn text(self) -> String {
        hex::encode(self.0)
    }
}

/// What a form made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thing {
    pub(super) id: u64,
    /// Stands for the entries that it was made of.
    pub(super) mark: String,
}

/// What a form made; locked while it makes it.
pub(super) type Making = Arc<tokio::sync::Mutex<Option<Thing>>>;

/// What forms have made, the latest at the end.
#[derive(Default)]
pub(super) struct Made(Mutex<VecDeque<(Once, Making)>>);

impl Made {
    /// Of the form with this mark; of one without, nothing is known.
    pub(super) fn by(&self, once: Option<Once>) -> Making {
        let Some(once) = once else {
            return Making::default();
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, making)) = all.iter().find(|(other, _)| *other == once) {
            return Arc::clone(making);
        }
        if all.len() >= MOST {
            all.pop_front();
        }
        let making = Making::default();
        all.push_back((once, Arc::clone(&making)));
        making
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_form_is_remembered_until_many_others_were_sent() {
        let made = Made::default();
        let once = Once::draw();
        let thing = Some(Thing {
            id: 7,
            mark: "entries".to_owned(),
        });
        (*made.by(Some(once)).lock().await).clone_from(&thing);
        assert_eq!(*made.by(Some(once)).lock().await, thing);
        assert_eq!(*made.by(None).lock().await, None);
        for _ in 1..MOST {
            assert_eq!(*made.by(Some(Once::draw())).lock().await, None);
        }
        assert_eq!(*made.by(Some(once)).lock().await, thing);
        made.by(Some(Once::draw()));
        assert_eq!(*made.by(Some(once)).lock().await, None);
        assert_eq!(made.0.lock().unwrap().len(), MOST);
    }

    #[test]
    fn only_a_mark_is_a_mark() {
        let once = Once::draw();
        assert_eq!(Once::parse(&once.text()), Some(once));
        for other in ["", "00", "x", &"0".repeat(33), &"0".repeat(64)] {
            assert_eq!(Once::parse(other), None, "{other}");
        }
    }
}
