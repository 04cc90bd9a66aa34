//! What becomes of the occurrences that a scan meets.
//!
//! A scan hands them over about in the order of their ends: those of whole words one character later than others.
//! A hit counts unless an allowed text covers it whole.

use std::collections::VecDeque;

use crate::filter::Filter;
use crate::scan::Found;

pub(crate) trait Sink {
    /// An occurrence of a word.
    fn word(&mut self, filter: &Filter, found: Found);
    /// An occurrence of an allowed text.
    fn allowed(&mut self, start: usize, end: usize);
    /// Whether [`Self::settle`] could change anything.
    fn waits(&self) -> bool;
    /// Nothing that starts before `live` will be handed over any more.
    fn settle(&mut self, live: usize);
    /// Whether the scan may end here.
    fn enough(&self) -> bool;
}

/// Occurrences of allowed texts, none inside another: starts and ends both ascend.
#[derive(Clone, Debug, Default)]
struct Cover(VecDeque<(usize, usize)>);

impl Cover {
    fn add(&mut self, start: usize, end: usize) {
        let after = self.0.partition_point(|&(other, _)| other < start);
        let before_has_it = after > 0 && self.0[after - 1].1 >= end;
        if before_has_it
            || self.0.get(after).is_some_and(|&(other, other_end)| other == start && other_end >= end)
        {
            return;
        }
        let inside = self.0.iter().skip(after).take_while(|&&(_, other)| other <= end).count();
        self.0.drain(after..after + inside);
        self.0.insert(after, (start, end));
    }

    fn has(&self, found: Found) -> bool {
        let after = self.0.partition_point(|&(start, _)| start <= found.start);
        after > 0 && self.0[after - 1].1 >= found.end
    }

    fn forget_before(&mut self, position: usize) {
        while self.0.front().is_some_and(|&(_, end)| end <= position) {
            self.0.pop_front();
        }
    }
}

/// Leftmost-longest, not overlapping.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leftmost {
    pub(crate) found: Vec<Found>,
    /// End of the last hit.
    pub(crate) end: usize,
    /// The longest occurrence for each start that is not settled, by start. If it is covered, so are the shorter ones.
    pending: VecDeque<Found>,
    cover: Cover,
    first_only: bool,
    /// Nothing that starts before this will come any more.
    live: usize,
}

impl Leftmost {
    /// Goes on after hits that end at `end` and allowed texts that cover all up to `reach`.
    pub(crate) fn going_on(end: usize, reach: usize, first_only: bool) -> Self {
        let mut sink = Self { end, first_only, ..Self::default() };
        if reach > 0 {
            sink.cover.add(0, reach);
        }
        sink
    }
}

impl Sink for Leftmost {
    fn word(&mut self, filter: &Filter, found: Found) {
        // What overlaps a hit that nothing can take the place of is none.
        let sure = self.pending.front().filter(|front| front.start <= self.live && !filter.has_allowed);
        if found.start < self.end
            || sure.is_some_and(|sure| sure.start < found.start && found.start < sure.end)
        {
            return;
        }
        let index = self.pending.partition_point(|other| other.start < found.start);
        match self.pending.get_mut(index) {
            Some(other) if other.start == found.start => {
                if filter.is_better(found, *other) {
                    *other = found;
                }
            }
            _ => self.pending.insert(index, found),
        }
    }

    fn allowed(&mut self, start: usize, end: usize) {
        self.cover.add(start, end);
    }

    fn waits(&self) -> bool {
        !self.pending.is_empty() || !self.cover.0.is_empty()
    }

    fn settle(&mut self, live: usize) {
        while let Some(&found) = self.pending.front() {
            if found.start >= live {
                break;
            }
            self.pending.pop_front();
            if found.start >= self.end && !self.cover.has(found) {
                self.end = found.end;
                self.found.push(found);
            }
        }
        self.cover.forget_before(live);
        self.live = live;
    }

    fn enough(&self) -> bool {
        self.first_only && !self.found.is_empty()
    }
}

/// All occurrences.
#[derive(Default)]
pub(crate) struct All {
    found: Vec<Found>,
    cover: Cover,
}

impl All {
    /// Goes on after allowed texts that cover all up to `reach`.
    pub(crate) fn going_on(reach: usize) -> Self {
        let mut sink = Self::default();
        if reach > 0 {
            sink.cover.add(0, reach);
        }
        sink
    }

    pub(crate) fn into_found(self, filter: &Filter) -> Vec<Found> {
        let Self { mut found, cover } = self;
        found.retain(|&found| !cover.has(found));
        found.sort_unstable_by_key(|&found| filter.order(found));
        found
    }
}

impl Sink for All {
    fn word(&mut self, _: &Filter, found: Found) {
        self.found.push(found);
    }

    fn allowed(&mut self, start: usize, end: usize) {
        self.cover.add(start, end);
    }

    fn waits(&self) -> bool {
        false
    }

    fn settle(&mut self, _: usize) {}

    fn enough(&self) -> bool {
        false
    }
}
