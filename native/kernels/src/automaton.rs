//! Aho–Corasick automaton over character classes.
//!
//! Source: A. V. Aho, M. J. Corasick, "Efficient string matching", CACM 18(6), 1975. Nodes are numbered breadth
//! first, so that the children of a node are neighbours and need no pointers: the labels of one node's children are
//! a slice that is searched (most nodes have one child), and the root has a table over all classes. A node's failure
//! has a lower number, so no chain of failures can be endless.

use crate::pattern::Pattern;
use crate::saved::{Damaged, Reader, Writer, check};
use crate::section::Section;

/// The root, and "none" where a node can't be.
pub const ROOT: u32 = 0;
/// No pattern ends at a node.
pub const NO_PATTERN: u32 = u32::MAX;

/// Nodes in parallel arrays, indexed by node.
#[derive(Debug)]
pub struct Automaton {
    /// Class on the edge that leads to the node.
    labels: Section<u32>,
    /// First child; the next node's first child is the end.
    children: Section<u32>,
    /// Node of the longest proper suffix.
    fail: Section<u32>,
    depth: Section<u16>,
    /// Pattern that ends here.
    pattern: Section<u32>,
    /// Nearest node on the way of failures where a pattern ends.
    output: Section<u32>,
    /// This node or the nearest on the way of failures that has children: what may still become a match.
    live: Section<u32>,
    /// The root's child by class.
    root: Section<u32>,
}

/// The arrays while they grow.
#[derive(Default)]
struct Growing {
    labels: Vec<u32>,
    children: Vec<u32>,
    fail: Vec<u32>,
    depth: Vec<u16>,
    pattern: Vec<u32>,
    output: Vec<u32>,
    live: Vec<u32>,
    root: Vec<u32>,
}

impl Automaton {
    /// Builds from patterns as classes with their numbers: sorted by classes, distinct, not empty, none over 65,535.
    #[must_use]
    pub fn build(patterns: &[(&[u32], u32)], alphabet: usize) -> Self {
        debug_assert!(patterns.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let mut growing = Growing { root: vec![ROOT; alphabet + 1], ..Growing::default() };
        growing.build_trie(patterns);
        growing.build_failures();
        Self {
            labels: growing.labels.into(),
            children: growing.children.into(),
            fail: growing.fail.into(),
            depth: growing.depth.into(),
            pattern: growing.pattern.into(),
            output: growing.output.into(),
            live: growing.live.into(),
            root: growing.root.into(),
        }
    }

    /// The node after `class`: that of the longest suffix of the text so far which begins a pattern.
    #[inline]
    #[must_use]
    pub fn step(&self, node: u32, class: u32) -> u32 {
        step(&self.labels, &self.children, &self.fail, &self.root, node, class)
    }

    /// The node one `class` further down, or the root if there is none.
    #[inline]
    #[must_use]
    pub fn child(&self, node: u32, class: u32) -> u32 {
        if node == ROOT { self.root[class as usize] } else { child(&self.labels, &self.children, node, class) }
    }

    /// Whether a pattern goes on after this node.
    #[inline]
    #[must_use]
    pub fn has_children(&self, node: u32) -> bool {
        self.children[node as usize] < self.children[node as usize + 1]
    }

    /// Node of the longest proper suffix.
    #[inline]
    #[must_use]
    pub fn fail(&self, node: u32) -> u32 {
        self.fail[node as usize]
    }

    /// Characters from the root to the node.
    #[inline]
    #[must_use]
    pub fn depth(&self, node: u32) -> usize {
        usize::from(self.depth[node as usize])
    }

    /// The longest suffix that is a proper prefix of some pattern, or the root.
    #[inline]
    #[must_use]
    pub fn live(&self, node: u32) -> u32 {
        self.live[node as usize]
    }

    /// The node itself or the nearest suffix at which a pattern ends; the root if none does.
    #[inline]
    #[must_use]
    pub fn first_output(&self, node: u32) -> u32 {
        if self.pattern[node as usize] == NO_PATTERN { self.output[node as usize] } else { node }
    }

    /// The next shorter suffix at which a pattern ends; the root if none does.
    #[inline]
    #[must_use]
    pub fn next_output(&self, node: u32) -> u32 {
        self.output[node as usize]
    }

    /// Number of the pattern that ends at a node, or [`NO_PATTERN`].
    #[inline]
    #[must_use]
    pub fn pattern(&self, node: u32) -> u32 {
        self.pattern[node as usize]
    }

    /// Length of the longest pattern.
    #[must_use]
    pub fn longest(&self) -> usize {
        // Numbered breadth first: the last node is one of the deepest.
        usize::from(self.depth[self.depth.len() - 1])
    }
}

/// Files.
impl Automaton {
    pub(crate) fn write<'a>(&'a self, group: &str, writer: &mut Writer<'a>) {
        writer.add(group, "labels", &self.labels);
        writer.add(group, "children", &self.children);
        writer.add(group, "fail", &self.fail);
        writer.add(group, "depth", &self.depth);
        writer.add(group, "pattern", &self.pattern);
        writer.add(group, "output", &self.output);
        writer.add(group, "live", &self.live);
        writer.add(group, "root", &self.root);
    }

    pub(crate) fn read(group: &str, reader: &Reader<'_>, patterns: &[Pattern]) -> Result<Self, Damaged> {
        let read = Self {
            labels: reader.get(group, "labels")?,
            children: reader.get(group, "children")?,
            fail: reader.get(group, "fail")?,
            depth: reader.get(group, "depth")?,
            pattern: reader.get(group, "pattern")?,
            output: reader.get(group, "output")?,
            live: reader.get(group, "live")?,
            root: reader.get(group, "root")?,
        };
        read.check(patterns)?;
        Ok(read)
    }

    /// Every index in range, every chain towards lesser nodes, depths as the edges say.
    fn check(&self, patterns: &[Pattern]) -> Result<(), Damaged> {
        let nodes = self.labels.len();
        check(nodes > 0 && u32::try_from(nodes).is_ok(), "labels")?;
        check(self.children.len() == nodes + 1 && self.children[0] == 1, "children")?;
        check(self.children.is_sorted() && self.children[nodes] as usize == nodes, "children")?;
        for array in [&self.fail, &self.pattern, &self.output, &self.live] {
            check(array.len() == nodes, "nodes")?;
        }
        check(self.depth.len() == nodes && self.depth[0] == 0, "depth")?;
        check(self.root.iter().all(|&node| (node as usize) < nodes && self.depth(node) <= 1), "root")?;
        check(self.labels.iter().all(|&label| (label as usize) < self.root.len()), "labels")?;
        for node in 0..nodes as u32 {
            let place = node as usize;
            let below = self.children[place]..self.children[place + 1];
            check(below.start > node, "children")?;
            check(below.clone().all(|child| self.depth(child) == self.depth(node) + 1), "depth")?;
            let (fail, output, live) = (self.fail[place], self.output[place], self.live[place]);
            let shorter = |other: u32| other == ROOT || (other < node && self.depth(other) < self.depth(node));
            check(shorter(fail) && shorter(output) && (live == node || shorter(live)), "chains")?;
            check(output == ROOT || self.pattern[output as usize] != NO_PATTERN, "output")?;
            check(live == ROOT || self.has_children(live), "live")?;
            let pattern = self.pattern[place];
            let known = |number: u32| patterns.get(number as usize).is_some_and(|p| p.length() == self.depth(node));
            check(pattern == NO_PATTERN || known(pattern), "pattern")?;
        }
        Ok(())
    }

    /// The largest class that it knows.
    pub(crate) fn alphabet(&self) -> usize {
        self.root.len() - 1
    }
}

impl Growing {
    fn build_trie(&mut self, patterns: &[(&[u32], u32)]) {
        // Patterns that share the node's path are neighbours in the sorted list.
        let mut ranges = vec![(0u32, patterns.len() as u32)];
        self.add(0, 0);
        let mut node = 0;
        while node < ranges.len() {
            let (mut low, high) = (ranges[node].0 as usize, ranges[node].1 as usize);
            let depth = usize::from(self.depth[node]);
            self.children.push(self.labels.len() as u32);
            if low < high && patterns[low].0.len() == depth {
                self.pattern[node] = patterns[low].1;
                low += 1;
            }
            while low < high {
                let label = patterns[low].0[depth];
                let end = low + same(&patterns[low..high], depth, label);
                if node == 0 {
                    self.root[label as usize] = self.labels.len() as u32;
                }
                self.add(label, depth as u16 + 1);
                ranges.push((low as u32, end as u32));
                low = end;
            }
            node += 1;
        }
        self.children.push(self.labels.len() as u32);
    }

    fn add(&mut self, label: u32, depth: u16) {
        self.labels.push(label);
        self.depth.push(depth);
        self.pattern.push(NO_PATTERN);
    }

    fn build_failures(&mut self) {
        let nodes = self.labels.len();
        self.fail = vec![ROOT; nodes];
        self.output = vec![ROOT; nodes];
        self.live = vec![ROOT; nodes];
        for node in 0..nodes {
            let fail = self.fail[node];
            let (first, end) = (self.children[node], self.children[node + 1]);
            if node != 0 {
                let ends = self.pattern[fail as usize] != NO_PATTERN;
                self.output[node] = if ends { fail } else { self.output[fail as usize] };
                self.live[node] = if first < end { node as u32 } else { self.live[fail as usize] };
                for child in first..end {
                    let label = self.labels[child as usize];
                    let next = step(&self.labels, &self.children, &self.fail, &self.root, fail, label);
                    self.fail[child as usize] = next;
                }
            }
        }
    }
}

/// How many of the sorted patterns have this label at this depth; the first does.
fn same(patterns: &[(&[u32], u32)], depth: usize, label: u32) -> usize {
    let mut reach = 1;
    while reach < patterns.len() && patterns[reach].0[depth] == label {
        reach *= 2;
    }
    let low = reach / 2;
    let high = reach.min(patterns.len());
    low + patterns[low..high].partition_point(|(classes, _)| classes[depth] == label)
}

#[inline]
fn step(labels: &[u32], children: &[u32], fail: &[u32], root: &[u32], mut node: u32, class: u32) -> u32 {
    if class == 0 {
        return ROOT;
    }
    while node != ROOT {
        match child(labels, children, node, class) {
            ROOT => node = fail[node as usize],
            child => return child,
        }
    }
    root[class as usize]
}

#[inline]
fn child(labels: &[u32], children: &[u32], node: u32, class: u32) -> u32 {
    let first = children[node as usize] as usize;
    let end = children[node as usize + 1] as usize;
    let labels = &labels[first..end];
    let found = if labels.len() <= 8 {
        labels.iter().position(|&label| label == class)
    } else {
        labels.binary_search(&class).ok()
    };
    found.map_or(ROOT, |index| (first + index) as u32)
}
