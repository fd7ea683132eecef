//! Which addresses stand in a list more than once. Of millions of addresses, only eight bytes each are in memory, and only while
//! the list is read for the first time.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

/// The addresses that stand in a list more than once.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// By hash, the line in which the address stood first, as far as the list has been read.
    repeated: HashMap<u64, Option<u64>>,
}

/// Two of two million different addresses have one hash with a probability of one in ten million.
fn hash(address: &str) -> u64 {
    let digest = Sha256::digest(address);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

/// Collects the addresses of a list.
#[derive(Default)]
pub(super) struct Collected(Vec<u64>);

impl Collected {
    pub(super) fn add(&mut self, address: &str) {
        self.0.push(hash(address));
    }

    /// Those that were added more than once.
    pub(super) fn repeated(mut self) -> Addresses {
        self.0.sort_unstable();
        let pairs = self.0.windows(2).filter(|pair| pair[0] == pair[1]);
        Addresses {
            repeated: pairs.map(|pair| (pair[0], None)).collect(),
        }
    }
}

impl Addresses {
    /// The same for another reading of the list.
    pub(super) fn for_another_reading(mut self) -> Self {
        self.repeated.values_mut().for_each(|first| *first = None);
        self
    }

    /// The earlier line with the same address, if there is one.
    pub(super) fn earlier(&mut self, address: &str, line: u64) -> Option<u64> {
        let first = self.repeated.get_mut(&hash(address))?;
        if first.is_none() {
            *first = Some(line);
            return None;
        }
        *first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_with_an_address_is_the_one_that_counts() {
        let mut collected = Collected::default();
        for address in ["a", "b", "a", "c", "a"] {
            collected.add(address);
        }
        let mut addresses = collected.repeated();
        let lines = [("a", 2), ("b", 3), ("a", 4), ("c", 5), ("a", 6)];
        let earlier = lines.map(|(address, line)| addresses.earlier(address, line));
        assert_eq!(earlier, [None, None, Some(2), None, Some(2)]);
        let mut addresses = addresses.for_another_reading();
        assert_eq!(addresses.earlier("a", 2), None);
    }
}
