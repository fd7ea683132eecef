//! Which value holds, and where does it come from?

use minijinja::{Value, context};

use super::answer::Answer;
use super::text::count;
use super::visit::Visit;
use crate::config::Shown;

pub(super) fn show(visit: &Visit) -> Answer {
    let config = visit.console.config.borrow().clone();
    let is_all = visit.asked("all").is_some();
    let options = config.shown();
    let set: Vec<&Shown> = options.iter().filter(|one| one.origin.is_some()).collect();
    let listed: Vec<&Shown> = if is_all {
        options.iter().collect()
    } else {
        set.clone()
    };
    let mut sections: Vec<(String, Vec<Value>)> = Vec::new();
    for one in listed {
        let (section, name) = one.key.rsplit_once('.').unwrap_or(("", &one.key));
        let value = context! {
            name,
            is_secret => one.value.is_none(),
            value => one.value.as_deref().filter(|value| !value.is_empty()),
            origin => one.origin.as_deref(),
        };
        match sections.last_mut() {
            Some((last, options)) if last == section => options.push(value),
            _ => sections.push((section.to_owned(), vec![value])),
        }
    }
    let sections = sections
        .into_iter()
        .map(|(name, options)| context! { name, options });
    let values = context! {
        set => count(set.len() as u64, "option is", "options are"),
        total => options.len(),
        is_all,
        sections => sections.collect::<Vec<_>>(),
    };
    Answer::page("config.html", "Configuration", values)
}
