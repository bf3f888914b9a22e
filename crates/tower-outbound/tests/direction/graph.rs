//! Circles of a graph.

use std::collections::{BTreeMap, BTreeSet};

/// The sizes of the strongly connected components of more than one node.
pub(crate) fn circles(edges: &[(&str, &str)]) -> Vec<usize> {
    let mut reached = BTreeMap::<&str, BTreeSet<&str>>::new();
    for (from, _) in edges {
        let mut seen = BTreeSet::new();
        let mut left = vec![*from];
        while let Some(node) = left.pop() {
            for (_, to) in edges.iter().filter(|(start, _)| *start == node) {
                if seen.insert(*to) {
                    left.push(*to);
                }
            }
        }
        reached.insert(from, seen);
    }
    let mutual =
        |a: &&str, b: &&str| reached[a].contains(*b) && reached.get(*b).is_some_and(|from| from.contains(*a));
    let mut components = BTreeSet::new();
    for node in reached.keys() {
        let component: BTreeSet<_> = reached.keys().filter(|other| mutual(node, other)).collect();
        if component.len() > 1 {
            components.insert(component);
        }
    }
    components.iter().map(BTreeSet::len).collect()
}
