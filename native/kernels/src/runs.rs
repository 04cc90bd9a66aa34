//! Patterns by runs: where a character may be written several times in a row, `加加微信` is `加微信`.
//!
//! Each run of one character in a pattern is one character of the automaton, with the least number of times that it
//! must stand: `as` is not `ass`, but `asss` is both.

use crate::automaton::NO_PATTERN;

/// The least lengths of runs.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// By pattern: the next one that is the same by runs.
    next: Vec<u32>,
    /// By pattern: the length of its last run.
    last: Vec<u16>,
    /// By pattern: how many runs from the end, and how long, for the runs of two and more before the last.
    longer: Vec<Box<[(u16, u16)]>>,
}

/// Patterns by runs with their numbers, and the lengths of the runs.
pub(crate) fn collapse(patterns: &[(&[u32], u32)]) -> (Vec<(Vec<u32>, u32)>, Runs) {
    let most = patterns.iter().map(|&(_, number)| number as usize + 1).max().unwrap_or(0);
    let mut runs =
        Runs { next: vec![NO_PATTERN; most], last: vec![0; most], longer: vec![Box::default(); most] };
    let mut collapsed: Vec<(Vec<u32>, u32)> = Vec::with_capacity(patterns.len());
    for &(labels, number) in patterns {
        let chunks: Vec<&[u32]> = labels.chunk_by(|a, b| a == b).collect();
        let number_of_runs = chunks.len();
        let lengths = chunks.iter().enumerate().take(number_of_runs - 1);
        let place = number as usize;
        runs.longer[place] = lengths
            .filter(|(_, run)| run.len() > 1)
            .map(|(index, run)| ((number_of_runs - index) as u16, run.len() as u16))
            .collect();
        runs.last[place] = chunks[number_of_runs - 1].len() as u16;
        collapsed.push((chunks.iter().map(|run| run[0]).collect(), number));
    }
    collapsed.sort();
    let mut distinct: Vec<(Vec<u32>, u32)> = Vec::with_capacity(collapsed.len());
    for (labels, number) in collapsed {
        match distinct.last() {
            Some((same, first)) if *same == labels => {
                let first = *first as usize;
                runs.next[number as usize] = runs.next[first];
                runs.next[first] = number;
            }
            _ => distinct.push((labels, number)),
        }
    }
    (distinct, runs)
}

impl Runs {
    /// The pattern and all that are the same by runs.
    pub(crate) fn alike(&self, pattern: u32) -> impl Iterator<Item = u32> {
        let mut next = pattern;
        std::iter::from_fn(move || {
            let number = next;
            (number != NO_PATTERN).then(|| {
                next = self.next[number as usize];
                number
            })
        })
    }

    /// Length of the last run.
    pub(crate) fn last(&self, pattern: u32) -> usize {
        usize::from(self.last[pattern as usize])
    }

    /// Whether the pattern is whole with the last character read, by the lengths of the last runs of the text: 1 is
    /// the one under way.
    pub(crate) fn ends(&self, pattern: u32, length: impl Fn(usize) -> usize) -> bool {
        let enough = |&(back, least): &(u16, u16)| length(usize::from(back)) >= usize::from(least);
        length(1) == usize::from(self.last[pattern as usize])
            && self.longer[pattern as usize].iter().all(enough)
    }
}
