//! Finds hits in a whole text: the prefilter says where one may begin, a walk down the automaton's tree from there
//! whether one does.
//!
//! Walks that start at every place may read a text many times over. Where they have read more than a few times as much
//! as there is of it, the rest of the text is left to [`crate::scan`].

use crate::automaton::{NO_PATTERN, ROOT, SIMPLE};
use crate::classes::Entry;
use crate::filter::{Filter, Lane};
use crate::fold::kind;
use crate::pattern::Role;
use crate::prefilter::Cursor;
use crate::scan::{Found, Scan};
use crate::sink::{All, Leftmost};
use crate::text::Unit;

/// Steps of walks a character of the text, and those that are free.
const STEPS_A_CHARACTER: usize = 8;
const FREE_STEPS: usize = 256;

impl Filter {
    /// Whether [`Self::find`] would find anything.
    #[must_use]
    #[inline]
    pub fn contains<U: Unit>(&self, text: &[U]) -> bool {
        if self.has_allowed || self.options.repeats {
            return self.has_first(text);
        }
        [&self.plain, &self.exact].into_iter().flatten().any(|lane| self.contains_in(lane, text))
    }

    /// As `contains`, whatever the options.
    #[inline(never)]
    fn has_first<U: Unit>(&self, text: &[U]) -> bool {
        let mut hit = false;
        self.leftmost(text, true, |_| hit = true);
        hit
    }

    /// As `contains` for the patterns of one lane, where nothing is allowed.
    #[inline]
    fn contains_in<U: Unit>(&self, lane: &Lane, text: &[U]) -> bool {
        let (mut cursor, mut at, mut steps) = (Cursor::default(), 0, 0);
        while let Some(event) = lane.prefilter.next(&self.classes, text, at, &mut cursor) {
            at = event + 1;
            let alone = lane.prefilter.stops_at(&self.classes, text, event).then_some(event);
            for start in self.before(lane, text, event).into_iter().chain(alone) {
                let mut hit = false;
                steps += self.walk(text, start, lane, &mut |_, _| hit = true);
                if hit {
                    return true;
                }
            }
            if steps > STEPS_A_CHARACTER * at + FREE_STEPS {
                return self.has_first(text);
            }
        }
        false
    }

    /// The character before the one at `at`, noise aside, if there is not too much of it.
    #[inline]
    fn before<U: Unit>(&self, lane: &Lane, text: &[U], at: usize) -> Option<usize> {
        let gap = self.options.skip.map_or(0, |skip| skip.gap);
        let noise = |unit: &U| lane.noise && self.classes.get(unit.code_point()).is(kind::NOISE);
        let back = text[..at].iter().rev().take(gap.saturating_add(1)).position(|unit| !noise(unit))?;
        Some(at - 1 - back)
    }

    /// Hits from left to right: the leftmost first, the longest where several start, none overlapping.
    #[must_use]
    pub fn find<U: Unit>(&self, text: &[U]) -> Vec<Found> {
        let mut found = Vec::new();
        self.leftmost(text, false, |hit| found.push(hit));
        found
    }

    fn leftmost<U: Unit>(&self, text: &[U], first_only: bool, mut each: impl FnMut(Found)) {
        let (mut end, mut reach) = (0, 0);
        let mut starts = Starts::new(self, text);
        let mut steps = 0;
        while let Some(start) = starts.first() {
            let mut longest: Option<Found> = None;
            steps += self.occurrences(text, start, &starts, |found, role| match role {
                Role::Allowed => reach = reach.max(found.end),
                Role::Word if longest.is_none_or(|longest| self.is_better(found, longest)) => {
                    longest = Some(found);
                }
                Role::Word => {}
            });
            if let Some(found) = longest.filter(|found| found.end > reach && start >= end) {
                each(found);
                if first_only {
                    return;
                }
                end = found.end;
            }
            if steps > STEPS_A_CHARACTER * start + FREE_STEPS {
                starts.give_up_after(start);
                break;
            }
            // An allowed text may start inside a hit; a further hit may not.
            starts.go_on(text, start, if self.has_allowed { 0 } else { end });
        }
        if let Some(rest) = starts.rest {
            let mut sink = Leftmost::going_on(end, reach, first_only);
            self.scan(text, rest, &mut sink);
            sink.found.into_iter().for_each(each);
        }
    }

    /// Every hit, ordered by start, then end, then the pattern with more of the text in it.
    #[must_use]
    pub fn find_overlapping<U: Unit>(&self, text: &[U]) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        let mut reach = 0;
        let mut starts = Starts::new(self, text);
        let mut steps = 0;
        while let Some(start) = starts.first() {
            let before = found.len();
            steps += self.occurrences(text, start, &starts, |hit, role| match role {
                Role::Allowed => reach = reach.max(hit.end),
                Role::Word => found.push(hit),
            });
            let here = &mut found[before..];
            if here.len() > 1 {
                here.sort_unstable_by_key(|&hit| self.order(hit));
            }
            let covered = here.partition_point(|hit| hit.end <= reach);
            found.drain(before..before + covered);
            if steps > STEPS_A_CHARACTER * (start + found.len()) + FREE_STEPS {
                starts.give_up_after(start);
                break;
            }
            starts.go_on(text, start, 0);
        }
        if let Some(rest) = starts.rest {
            let mut sink = All::going_on(reach);
            self.scan(text, rest, &mut sink);
            found.extend(sink.into_found(self));
        }
        found
    }

    fn scan<U: Unit, S: crate::sink::Sink>(&self, text: &[U], from: usize, sink: &mut S) {
        let mut before = text[..from].iter().rev().map(|unit| self.classes.get(unit.code_point()));
        let last = before.find(|entry| !entry.is(kind::INVISIBLE)).unwrap_or_default();
        let mut scan = Scan::starting_at(from, last);
        scan.feed(self, &text[from..], sink);
        if !sink.enough() {
            scan.finish(self, sink);
        }
    }

    /// Calls `each` for every occurrence that starts at `start`, in each lane the shortest first; returns how many
    /// characters were read.
    #[inline]
    fn occurrences<U: Unit>(
        &self,
        text: &[U],
        start: usize,
        starts: &Starts<'_>,
        mut each: impl FnMut(Found, Role),
    ) -> usize {
        let mut steps = 0;
        for lane in [&starts.plain, &starts.exact].into_iter().flatten().filter(|lane| lane.here == start) {
            steps += self.walk(text, start, lane.lane, &mut each);
        }
        steps
    }

    #[inline]
    fn walk<U: Unit>(
        &self,
        text: &[U],
        start: usize,
        lane: &Lane,
        each: &mut impl FnMut(Found, Role),
    ) -> usize {
        let entry_at = |at: usize| self.classes.get(text[at].code_point());
        let automaton = &lane.automaton;
        let (gap, total) = self.options.skip.map_or((0, 0), |skip| (skip.gap, skip.total));
        let mut at = start;
        let mut entry = entry_at(start);
        let (mut node, mut last) = self.down(lane, ROOT, entry);
        let (mut noise, mut spaced, mut steps) = (0, 0, 1);
        while node != ROOT {
            let marked = automaton.marked(node);
            if marked != NO_PATTERN {
                let found = Found { start, end: at + 1, pattern: marked & !SIMPLE };
                if marked & SIMPLE != 0 && spaced == 0 {
                    each(found, Role::Word);
                } else {
                    let pattern = self.patterns[found.pattern as usize];
                    let fits = pattern.may_be_spaced(spaced)
                        && !(pattern.whole_start() && self.in_word(text[..start].iter().rev()))
                        && !(pattern.whole_end() && self.in_word(text[at + 1..].iter()));
                    if fits {
                        each(found, pattern.role());
                    }
                }
                if !automaton.has_children(node) {
                    return steps;
                }
            }
            let before = at;
            let mut kinds = 0;
            loop {
                at += 1;
                if at == text.len() {
                    return steps;
                }
                steps += 1;
                entry = entry_at(at);
                if !lane.noise || !entry.is(kind::NOISE) {
                    break;
                }
                kinds |= entry.kinds();
                noise += 1;
                if at - before > gap || noise > total {
                    return steps;
                }
            }
            let (next, next_last) = self.down(lane, node, entry);
            if kinds != 0 && self.options.whole_words {
                if last.is(kind::DIGIT) && entry.is(kind::DIGIT) && kinds & !kind::INVISIBLE != 0 {
                    return steps;
                }
                if last.is(kind::WORD) && entry.is(kind::WORD) && kinds & kind::SPACE != 0 {
                    spaced += 1;
                }
            }
            (node, last) = (next, next_last);
        }
        steps
    }

    /// Whether the first character that is seen is a letter or digit of a spaced script.
    #[cold]
    fn in_word<'a, U: Unit>(&self, units: impl Iterator<Item = &'a U>) -> bool {
        let mut entries = units.map(|unit| self.classes.get(unit.code_point()));
        entries.find(|entry| !entry.is(kind::INVISIBLE)).is_some_and(|entry| entry.is(kind::WORD))
    }

    /// The node below `node` by a character, and the entry of the last that it stands for.
    #[inline]
    fn down(&self, lane: &Lane, node: u32, entry: Entry) -> (u32, Entry) {
        if !entry.expands() {
            let class = entry.class();
            return (if class == 0 { ROOT } else { lane.automaton.child(node, class) }, entry);
        }
        let (mut node, mut last) = (node, entry);
        for (index, element) in self.classes.expansion(entry).enumerate() {
            if index > 0 && node == ROOT {
                break;
            }
            node = lane.automaton.child(node, element.class());
            last = element;
        }
        (node, last)
    }
}

/// Where occurrences may start, ascending, each place once.
struct Starts<'a> {
    filter: &'a Filter,
    plain: Option<LaneStarts<'a>>,
    exact: Option<LaneStarts<'a>>,
    /// From where on the text is left to a scan.
    rest: Option<usize>,
}

impl<'a> Starts<'a> {
    #[inline]
    fn new<U: Unit>(filter: &'a Filter, text: &[U]) -> Self {
        if filter.options.repeats {
            // The prefilter knows nothing of repeated characters.
            return Self { filter, plain: None, exact: None, rest: Some(0) };
        }
        let mut starts = Self {
            filter,
            plain: filter.plain.as_ref().map(LaneStarts::new),
            exact: filter.exact.as_ref().map(LaneStarts::new),
            rest: None,
        };
        for lane in [&mut starts.plain, &mut starts.exact].into_iter().flatten() {
            lane.advance(filter, text);
        }
        starts
    }

    /// The first place not gone past.
    #[inline]
    fn first(&self) -> Option<usize> {
        let lanes = [&self.plain, &self.exact].into_iter().flatten();
        lanes.map(|lane| lane.here).min().filter(|&here| here != NOWHERE)
    }

    /// Goes past `start`, and past everything before `end`.
    #[inline]
    fn go_on<U: Unit>(&mut self, text: &[U], start: usize, end: usize) {
        for lane in [&mut self.plain, &mut self.exact].into_iter().flatten() {
            if lane.here < end {
                lane.go_to(self.filter, text, end);
            } else if lane.here == start {
                lane.advance(self.filter, text);
            }
        }
    }

    fn give_up_after(&mut self, start: usize) {
        self.rest = Some(start + 1);
    }
}

/// No further place.
const NOWHERE: usize = usize::MAX;

/// The places of one lane.
struct LaneStarts<'a> {
    lane: &'a Lane,
    cursor: Cursor,
    /// The next character to read.
    at: usize,
    /// The first place not gone past.
    here: usize,
    /// A place behind `here` that is known already.
    second: Option<usize>,
    /// Places before this were gone past.
    from: usize,
}

impl<'a> LaneStarts<'a> {
    #[inline]
    fn new(lane: &'a Lane) -> Self {
        Self { lane, cursor: Cursor::default(), at: 0, here: NOWHERE, second: None, from: 0 }
    }

    fn go_to<U: Unit>(&mut self, filter: &Filter, text: &[U], end: usize) {
        self.cursor = self.lane.prefilter.after(&filter.classes, text[end - 1]);
        self.at = end;
        self.from = end;
        self.second = None;
        self.advance(filter, text);
    }

    #[inline]
    fn advance<U: Unit>(&mut self, filter: &Filter, text: &[U]) {
        if let Some(second) = self.second.take() {
            self.here = second;
            return;
        }
        let prefilter = &self.lane.prefilter;
        while let Some(event) = prefilter.next(&filter.classes, text, self.at, &mut self.cursor) {
            self.at = event + 1;
            let before = filter.before(self.lane, text, event).filter(|&before| before >= self.from);
            let alone = prefilter.stops_at(&filter.classes, text, event).then_some(event);
            if let Some(first) = before.or(alone) {
                self.here = first;
                self.second = alone.filter(|&alone| alone != first);
                self.from = alone.unwrap_or(first) + 1;
                return;
            }
        }
        self.here = NOWHERE;
    }
}
