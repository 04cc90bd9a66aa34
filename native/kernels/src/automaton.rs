//! Aho–Corasick automaton over character classes.
//!
//! Source: A. V. Aho, M. J. Corasick, "Efficient string matching", CACM 18(6), 1975. Nodes are numbered breadth
//! first, so that the children of a node are neighbours and need no pointers: the labels of one node's children are
//! a slice, searched by bisection (most nodes have one child), and the root has a table over all classes.

/// The root, and "none" where a node can't be.
pub const ROOT: u32 = 0;
const NO_PATTERN: u32 = u32::MAX;

/// Nodes in parallel arrays, indexed by node.
#[derive(Debug)]
pub struct Automaton {
    /// Class on the edge that leads to the node.
    labels: Vec<u32>,
    /// First child; the next node's first child is the end.
    children: Vec<u32>,
    /// Node of the longest proper suffix.
    fail: Vec<u32>,
    depth: Vec<u32>,
    /// Pattern that ends here.
    pattern: Vec<u32>,
    /// Nearest node on the way of failures where a pattern ends.
    output: Vec<u32>,
    /// This node or the nearest on the way of failures that has children: what may still become a match.
    live: Vec<u32>,
    /// The root's child by class.
    root: Vec<u32>,
    longest: usize,
}

impl Automaton {
    /// Builds from patterns as classes with their numbers, sorted by classes, distinct, not empty.
    #[must_use]
    pub fn build(patterns: &[(Vec<u32>, u32)], alphabet: usize) -> Self {
        debug_assert!(patterns.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let mut automaton = Self {
            labels: vec![0],
            children: Vec::new(),
            fail: Vec::new(),
            depth: vec![0],
            pattern: vec![NO_PATTERN],
            output: Vec::new(),
            live: Vec::new(),
            root: vec![ROOT; alphabet + 1],
            longest: patterns.iter().map(|(classes, _)| classes.len()).max().unwrap_or(0),
        };
        automaton.build_trie(patterns);
        automaton.build_failures();
        automaton
    }

    fn build_trie(&mut self, patterns: &[(Vec<u32>, u32)]) {
        // Patterns that share the node's path are neighbours in the sorted list.
        let mut ranges = vec![(0, patterns.len())];
        let mut node = 0;
        while node < ranges.len() {
            let (mut low, high) = ranges[node];
            let depth = self.depth[node] as usize;
            self.children.push(self.labels.len() as u32);
            if low < high && patterns[low].0.len() == depth {
                self.pattern[node] = patterns[low].1;
                low += 1;
            }
            while low < high {
                let label = patterns[low].0[depth];
                let end = low + patterns[low..high].partition_point(|(classes, _)| classes[depth] == label);
                if node == 0 {
                    self.root[label as usize] = self.labels.len() as u32;
                }
                self.labels.push(label);
                self.depth.push(depth as u32 + 1);
                self.pattern.push(NO_PATTERN);
                ranges.push((low, end));
                low = end;
            }
            node += 1;
        }
        self.children.push(self.labels.len() as u32);
    }

    fn build_failures(&mut self) {
        let nodes = self.labels.len();
        self.fail = vec![ROOT; nodes];
        self.output = vec![ROOT; nodes];
        self.live = vec![ROOT; nodes];
        for node in 0..nodes {
            let fail = self.fail[node];
            if node != 0 {
                self.output[node] = self.first_output(fail);
                self.live[node] =
                    if self.has_children(node) { node as u32 } else { self.live[fail as usize] };
            }
            for child in self.children[node]..self.children[node + 1] {
                if node != 0 {
                    self.fail[child as usize] = self.step(fail, self.labels[child as usize]);
                }
            }
        }
    }

    fn has_children(&self, node: usize) -> bool {
        self.children[node] < self.children[node + 1]
    }

    /// The node after `class`: that of the longest suffix of the text so far which begins a pattern.
    #[inline]
    #[must_use]
    pub fn step(&self, mut node: u32, class: u32) -> u32 {
        if class == 0 {
            return ROOT;
        }
        while node != ROOT {
            let first = self.children[node as usize] as usize;
            let end = self.children[node as usize + 1] as usize;
            if let Ok(child) = self.labels[first..end].binary_search(&class) {
                return (first + child) as u32;
            }
            node = self.fail[node as usize];
        }
        self.root[class as usize]
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
        self.depth[node as usize] as usize
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

    /// Number of the pattern that ends at an output node.
    #[inline]
    #[must_use]
    pub fn pattern(&self, node: u32) -> u32 {
        self.pattern[node as usize]
    }

    /// Length of the longest pattern.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }
}
