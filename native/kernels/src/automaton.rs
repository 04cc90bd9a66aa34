//! Aho–Corasick automaton over character classes.
//!
//! Source: A. V. Aho, M. J. Corasick, "Efficient string matching", CACM 18(6), 1975. Nodes are numbered breadth
//! first, so that the children of a node are neighbours and need no pointers: the labels of one node's children are
//! a slice that is searched (most nodes have one child), and the root has a table over all classes. A node's failure
//! has a lower number, so no chain of failures can be endless.

use crate::pattern::Pattern;
use crate::saved::{Damaged, Reader, Writer, check};
use crate::section::{Plain, Section};

/// The root, and "none" where a node can't be.
pub const ROOT: u32 = 0;
/// No pattern ends at a node.
pub const NO_PATTERN: u32 = u32::MAX;
/// Set in a node's pattern if an occurrence of it, unless spaced, needs no further look.
pub const SIMPLE: u32 = 1 << 31;

/// What a walk down needs of a node, in one place: nodes lie anywhere in memory.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Node {
    /// Class on the edge that leads here.
    label: u32,
    /// First child; the next node's first child is the end.
    children: u32,
    /// Number of the pattern that ends here, perhaps with [`SIMPLE`], or [`NO_PATTERN`].
    pattern: u32,
    /// Node of the longest proper suffix.
    fail: u32,
}

// SAFETY: four integers of one size.
unsafe impl Plain for Node {}

/// Nodes, and what else is known of them, indexed by node.
#[derive(Debug)]
pub struct Automaton {
    /// One more than there are.
    nodes: Section<Node>,
    depth: Section<u16>,
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
    nodes: Vec<Node>,
    depth: Vec<u16>,
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
            nodes: growing.nodes.into(),
            depth: growing.depth.into(),
            output: growing.output.into(),
            live: growing.live.into(),
            root: growing.root.into(),
        }
    }

    /// The node after `class`: that of the longest suffix of the text so far which begins a pattern.
    #[inline]
    #[must_use]
    pub fn step(&self, node: u32, class: u32) -> u32 {
        step(&self.nodes, &self.root, node, class)
    }

    /// The node one `class` further down, or the root if there is none.
    #[inline]
    #[must_use]
    pub fn child(&self, node: u32, class: u32) -> u32 {
        if node == ROOT { self.root[class as usize] } else { child(&self.nodes, node, class) }
    }

    /// Whether a pattern goes on after this node.
    #[inline]
    #[must_use]
    pub fn has_children(&self, node: u32) -> bool {
        self.nodes[node as usize].children < self.nodes[node as usize + 1].children
    }

    /// Node of the longest proper suffix.
    #[inline]
    #[must_use]
    pub fn fail(&self, node: u32) -> u32 {
        self.nodes[node as usize].fail
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
        if self.marked(node) == NO_PATTERN { self.output[node as usize] } else { node }
    }

    /// The next shorter suffix at which a pattern ends; the root if none does.
    #[inline]
    #[must_use]
    pub fn next_output(&self, node: u32) -> u32 {
        self.output[node as usize]
    }

    /// Number of the pattern that ends at a node.
    #[inline]
    #[must_use]
    pub fn pattern(&self, node: u32) -> u32 {
        self.marked(node) & !SIMPLE
    }

    /// The same with its mark, or [`NO_PATTERN`].
    #[inline]
    #[must_use]
    pub fn marked(&self, node: u32) -> u32 {
        self.nodes[node as usize].pattern
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
        writer.add(group, "nodes", &self.nodes);
        writer.add(group, "depth", &self.depth);
        writer.add(group, "output", &self.output);
        writer.add(group, "live", &self.live);
        writer.add(group, "root", &self.root);
    }

    pub(crate) fn read(group: &str, reader: &Reader<'_>, patterns: &[Pattern]) -> Result<Self, Damaged> {
        let read = Self {
            nodes: reader.get(group, "nodes")?,
            depth: reader.get(group, "depth")?,
            output: reader.get(group, "output")?,
            live: reader.get(group, "live")?,
            root: reader.get(group, "root")?,
        };
        read.check(patterns)?;
        Ok(read)
    }

    /// Every index in range, every chain towards lesser nodes, depths as the edges say.
    fn check(&self, patterns: &[Pattern]) -> Result<(), Damaged> {
        let count = self.depth.len();
        check(count > 0 && u32::try_from(count).is_ok() && self.nodes.len() == count + 1, "nodes")?;
        check(self.output.len() == count && self.live.len() == count, "nodes")?;
        check(self.nodes[0].children == 1 && self.nodes[count].children as usize == count, "children")?;
        check(self.nodes.is_sorted_by_key(|node| node.children), "children")?;
        check(self.depth[0] == 0, "depth")?;
        check(self.root.iter().all(|&node| (node as usize) < count && self.depth(node) <= 1), "root")?;
        check(self.nodes.iter().all(|node| (node.label as usize) < self.root.len()), "labels")?;
        for (number, node) in (0..count as u32).zip(self.nodes.iter()) {
            let below = node.children..self.nodes[number as usize + 1].children;
            check(below.start > number, "children")?;
            check(below.clone().all(|child| self.depth(child) == self.depth(number) + 1), "depth")?;
            let (output, live) = (self.output[number as usize], self.live[number as usize]);
            let shorter =
                |other: u32| other == ROOT || (other < number && self.depth(other) < self.depth(number));
            check(shorter(node.fail) && shorter(output) && (live == number || shorter(live)), "chains")?;
            check(output == ROOT || self.marked(output) != NO_PATTERN, "output")?;
            check(live == ROOT || self.has_children(live), "live")?;
            if node.pattern != NO_PATTERN {
                let pattern = patterns.get(self.pattern(number) as usize).ok_or(Damaged::new("pattern"))?;
                check(pattern.length() == self.depth(number), "pattern")?;
                check(node.pattern & SIMPLE == 0 || pattern.is_simple(), "pattern")?;
            }
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
            self.nodes[node].children = self.nodes.len() as u32;
            if low < high && patterns[low].0.len() == depth {
                self.nodes[node].pattern = patterns[low].1;
                low += 1;
            }
            while low < high {
                let label = patterns[low].0[depth];
                let end = low + same(&patterns[low..high], depth, label);
                if node == 0 {
                    self.root[label as usize] = self.nodes.len() as u32;
                }
                self.add(label, depth as u16 + 1);
                ranges.push((low as u32, end as u32));
                low = end;
            }
            node += 1;
        }
        self.nodes.push(Node { children: self.nodes.len() as u32, ..Node::default() });
    }

    fn add(&mut self, label: u32, depth: u16) {
        self.nodes.push(Node { label, pattern: NO_PATTERN, ..Node::default() });
        self.depth.push(depth);
    }

    fn build_failures(&mut self) {
        let count = self.depth.len();
        self.output = vec![ROOT; count];
        self.live = vec![ROOT; count];
        for number in 1..count {
            let fail = self.nodes[number].fail;
            let (first, end) = (self.nodes[number].children, self.nodes[number + 1].children);
            let ends = self.nodes[fail as usize].pattern != NO_PATTERN;
            self.output[number] = if ends { fail } else { self.output[fail as usize] };
            self.live[number] = if first < end { number as u32 } else { self.live[fail as usize] };
            for child in first..end {
                let next = step(&self.nodes, &self.root, fail, self.nodes[child as usize].label);
                self.nodes[child as usize].fail = next;
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
fn step(nodes: &[Node], root: &[u32], mut node: u32, class: u32) -> u32 {
    if class == 0 {
        return ROOT;
    }
    while node != ROOT {
        match child(nodes, node, class) {
            ROOT => node = nodes[node as usize].fail,
            child => return child,
        }
    }
    root[class as usize]
}

#[inline]
fn child(nodes: &[Node], node: u32, class: u32) -> u32 {
    let first = nodes[node as usize].children as usize;
    let end = nodes[node as usize + 1].children as usize;
    let below = &nodes[first..end];
    let found = if below.len() <= 8 {
        below.iter().position(|node| node.label == class)
    } else {
        below.binary_search_by_key(&class, |node| node.label).ok()
    };
    found.map_or(ROOT, |index| (first + index) as u32)
}
