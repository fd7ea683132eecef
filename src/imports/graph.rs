//! Who leads to whom, and the circles among them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter;

/// The nodes that each node leads to.
pub(super) type Arrows = BTreeMap<String, BTreeSet<String>>;

/// A shortest way back to itself for each node that has one; those through the same nodes once.
pub(super) fn circles(arrows: &Arrows) -> impl Iterator<Item = String> {
    let mut seen = BTreeSet::new();
    arrows.keys().filter_map(move |start| {
        let circle = circle(arrows, start)?;
        let nodes: BTreeSet<&str> = circle.iter().copied().collect();
        seen.insert(nodes).then(|| circle.join(" → "))
    })
}

/// A shortest way from a node back to it.
fn circle<'a>(arrows: &'a Arrows, start: &'a str) -> Option<Vec<&'a str>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(node) = waiting.pop_front() {
        for next in arrows.get(node).into_iter().flatten() {
            if next == start {
                let mut way = vec![start, node];
                way.extend(iter::successors(before.get(node), |node| before.get(*node)));
                way.reverse();
                return Some(way);
            }
            if !before.contains_key(next.as_str()) {
                before.insert(next, node);
                waiting.push_back(next);
            }
        }
    }
    None
}
