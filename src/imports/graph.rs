//! A directed graph and its cycles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter;

/// The successors of each node.
pub(super) type Arrows = BTreeMap<String, BTreeSet<String>>;

/// For each node on a cycle, the shortest cycle through it. Cycles through the same nodes are listed once.
pub(super) fn cycles(arrows: &Arrows) -> impl Iterator<Item = String> {
    let mut seen = BTreeSet::new();
    arrows.keys().filter_map(move |start| {
        let cycle = cycle(arrows, start)?;
        let nodes: BTreeSet<&str> = cycle.iter().copied().collect();
        seen.insert(nodes).then(|| cycle.join(" → "))
    })
}

/// The shortest cycle through a node, which is both its first and its last element.
fn cycle<'a>(arrows: &'a Arrows, start: &'a str) -> Option<Vec<&'a str>> {
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
