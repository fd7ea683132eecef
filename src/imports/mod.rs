//! Compares the imports in the source files with the table of rooms in `ARCHITECTURE.md`. A room is a top-level module;
//! it imports exactly the rooms that its row lists. Has no counterpart in PHP.

mod graph;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use self::graph::{Arrows, cycles};
use self::tree::{Reference, Tree};

/// The header of the table.
const HEADER: &str = "| room | holds | may import |";

#[test]
fn rooms_import_what_the_table_in_the_architecture_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tree = Tree::of_folder(&root.join("src"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let flaws = flaws(&tree, &table(&text));
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
}

/// Rooms and what they may import, from the rows below [`HEADER`].
fn table(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let rows = text.lines().skip_while(|line| *line != HEADER).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let [_, room, _, imports, _] = cells[..] else {
            panic!("a row of the table has other cells: {row}");
        };
        let names = imports.split('`').skip(1).step_by(2);
        let room = room.trim().trim_matches('`');
        (room.to_owned(), names.map(str::to_owned).collect())
    })
    .collect()
}

/// The differences between code and table, and the cycles, one per line.
fn flaws(tree: &Tree, rows: &[(String, BTreeSet<String>)]) -> Vec<String> {
    let mut flaws = Vec::new();
    let (rooms, references) = (tree.rooms(), tree.references());
    let table: Arrows = rows.iter().cloned().collect();
    for (index, (room, allowed)) in rows.iter().enumerate() {
        let is_above = |other: &&String| rows[..index].iter().any(|(above, _)| above == *other);
        let below = allowed.iter().filter(|other| !is_above(other));
        flaws.extend(below.map(|other| format!("{other} is not above {room} in the table")));
    }
    for room in rooms.iter().filter(|room| !table.contains_key(*room)) {
        flaws.push(format!("{room} is not in the table"));
    }
    for room in table.keys().filter(|room| !rooms.contains(*room)) {
        flaws.push(format!("{room} is in the table, but does not exist"));
    }
    let (mut arrows, mut files) = (Arrows::new(), Arrows::new());
    let mut forbidden = BTreeMap::new();
    for Reference { from, to, path } in references {
        if from.room == to.room {
            files.entry(from.file).or_default().insert(to.file);
        } else if rooms.contains(&to.room) {
            let is_allowed = table
                .get(&from.room)
                .is_some_and(|may| may.contains(&to.room));
            if !is_allowed {
                let place = (from.room.clone(), to.room.clone(), from.file);
                forbidden.entry(place).or_insert(path);
            }
            arrows.entry(from.room).or_default().insert(to.room);
        }
    }
    for ((room, other, file), path) in forbidden {
        flaws.push(format!(
            "{room} may not import {other}: {file} names {path}"
        ));
    }
    let nothing = BTreeSet::new();
    for (room, allowed) in &table {
        let used = arrows.get(room).unwrap_or(&nothing);
        let unused = allowed.difference(used);
        flaws.extend(unused.map(|other| format!("{room} may import {other}, but does not")));
    }
    flaws.extend(cycles(&arrows).map(|cycle| format!("rooms in a cycle: {cycle}")));
    flaws.extend(cycles(&files).map(|cycle| format!("files in a cycle: {cycle}")));
    flaws
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: &str = "| `low` | what is below | nothing |\n";
    const HIGH: &str = "| `high` | what is above | `low` |\n";

    fn found_with(rows: [&str; 2], files: &[(&str, &str)]) -> Vec<String> {
        let root = ("lib.rs", "pub mod high;\npub mod low;\nuse high::Up;");
        let files = [&[root], files].concat();
        let files = files
            .iter()
            .map(|&(name, text)| (name.to_owned(), text.to_owned()));
        let document = format!(
            "Rooms:\n\n{HEADER}\n| --- | --- | --- |\n{}\nMore.\n",
            rows.concat()
        );
        flaws(
            &Tree::of_files(&files.collect::<Vec<_>>()),
            &table(&document),
        )
    }

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        found_with([LOW, HIGH], files)
    }

    #[test]
    fn what_the_table_allows_is_right() {
        let high = "//! Not crate::high.\nuse crate::low::{self, Down as D};\nfn f() { let _ = \"crate::high::X\"; }";
        let low = "pub struct Down;\n#[cfg(test)]\nmod tests { use crate::high::Up; }\n\
            #[cfg(test)]\nfn g() { crate::high::h() }";
        assert_eq!(found(&[("high.rs", high), ("low.rs", low)]), [""; 0]);
    }

    #[test]
    fn an_arrow_the_wrong_way_is_found_however_it_is_written() {
        for low in [
            "use crate::high::Up;",
            "use crate::{high::Up};",
            "use super::high;",
            "pub use crate::high::*;",
            "mod inner { use super::super::high as other; }",
            "fn f() -> crate::high::Up { todo!() }",
            "fn f() { log!(\"{}\", crate::high::Up); }",
            "macro_rules! m { () => { $crate::high::Up } }",
        ] {
            let flaws = found(&[("high.rs", "use crate::low::Down;"), ("low.rs", low)]);
            let forbidden = "low may not import high: low.rs names high";
            assert!(flaws[0].starts_with(forbidden), "{low}: {flaws:?}");
            assert_eq!(flaws[1], "rooms in a cycle: high → low → high", "{low}");
        }
    }

    #[test]
    fn the_table_has_every_room_and_only_arrows_that_there_are() {
        let root = ("lib.rs", "pub mod high;\npub mod middle;");
        let flaws = found(&[root, ("high.rs", ""), ("middle/mod.rs", "")]);
        let expected = [
            "middle is not in the table",
            "low is in the table, but does not exist",
            "high may import low, but does not",
        ];
        assert_eq!(flaws, expected);
    }

    #[test]
    fn rows_list_rooms_above_them() {
        let files = [("high.rs", "use crate::low::Down;"), ("low.rs", "")];
        let flaws = found_with([HIGH, LOW], &files);
        assert_eq!(flaws, ["low is not above high in the table"]);
    }

    #[test]
    fn files_of_a_room_import_each_other_one_way() {
        let high = (
            "high/mod.rs",
            "mod a;\nmod b;\npub use a::A;\nuse crate::low::Down;",
        );
        let (a, b) = ("high/a.rs", "high/b.rs");
        let there = (b, "use super::A;\npub struct B;");
        let one_way = found(&[high, ("low.rs", ""), (a, "pub struct A;"), there]);
        assert_eq!(one_way, [""; 0]);
        for back in ["use super::b::B;", "fn f() { crate::high::b::g() }"] {
            let cycle = found(&[high, ("low.rs", ""), (a, back), there]);
            assert_eq!(
                cycle,
                ["files in a cycle: high/a.rs → high/b.rs → high/a.rs"]
            );
        }
    }
}
