//! One pass over a text, whole or in pieces, whose time depends on no more than how many words end at one place:
//! automata over its characters with and without noise.
//!
//! Nothing is copied and no offset table is made: a walk remembers where the characters of its longest partial match
//! stood, and nothing else. Texts that rarely match are read faster by `find`; this is what it falls back to, and what
//! streams go on with where a match may be under way.

use crate::automaton::{Automaton, NO_PATTERN, ROOT};
use crate::classes::Entry;
use crate::filter::{Filter, Lane, Options};
use crate::fold::kind;
use crate::pattern::Role;
use crate::runs::Runs;
use crate::sink::Sink;
use crate::text::Unit;

/// An occurrence of a word: code points `start..end` of the text, and the number of its pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// First code point.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// Number of the pattern.
    pub pattern: u32,
}

impl Filter {
    /// By start, then end; of those at one place the pattern with more characters first, then the lesser one.
    #[inline]
    pub(crate) fn order(&self, found: Found) -> (usize, usize, u32, u32) {
        let weight = self.patterns[found.pattern as usize].weight();
        (found.start, found.end, u32::MAX - weight, found.pattern)
    }

    /// Whether a hit is to be taken rather than another that starts at the same place.
    #[inline]
    pub(crate) fn is_better(&self, found: Found, other: Found) -> bool {
        found.end > other.end || (found.end == other.end && self.order(found) < self.order(other))
    }
}

/// State of a pass; `Default` is the beginning of a text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scan {
    /// Code points read.
    pub(crate) position: usize,
    plain: Walk,
    exact: Walk,
    /// The last character that is seen.
    last: Entry,
    /// Ends with the last character that is seen if the next is no letter or digit.
    undecided: Vec<Found>,
}

impl Scan {
    /// In the middle of a text, before the code point at `position`; `last` is the last before it that is
    /// seen. What started
    /// earlier is not seen.
    pub(crate) fn starting_at(position: usize, last: Entry) -> Self {
        Self { position, last, ..Self::default() }
    }

    /// Reads on, until the end of `text` or until the sink has enough.
    pub(crate) fn feed<U: Unit, S: Sink>(&mut self, filter: &Filter, text: &[U], sink: &mut S) {
        for &unit in text {
            self.read(filter, filter.classes.get(unit.code_point()), sink);
            if sink.waits() {
                sink.settle(self.live(filter));
                if sink.enough() {
                    return;
                }
            }
        }
    }

    /// Reads one character.
    #[inline]
    fn read<S: Sink>(&mut self, filter: &Filter, entry: Entry, sink: &mut S) {
        // What is not seen does not end a word.
        if !self.undecided.is_empty() && !entry.is(kind::INVISIBLE) {
            self.decide(filter, !entry.is(kind::WORD), sink);
        }
        let starts_word = !self.last.is(kind::WORD);
        let here = Here { at: self.position, entry, starts_word, begins: true };
        if let Some(lane) = &filter.plain {
            if entry.is(kind::NOISE) {
                self.plain.pass_over(entry);
            } else {
                self.accept(filter, lane, here, |scan| &mut scan.plain, sink);
            }
        }
        if let Some(lane) = &filter.exact {
            self.accept(filter, lane, here, |scan| &mut scan.exact, sink);
        }
        self.position += 1;
        if !entry.is(kind::INVISIBLE) {
            self.last = entry;
        }
    }

    #[inline]
    fn accept<S: Sink>(
        &mut self,
        filter: &Filter,
        lane: &Lane,
        here: Here,
        walk: impl Fn(&mut Self) -> &mut Walk,
        sink: &mut S,
    ) {
        if here.entry.expands() {
            for (index, entry) in filter.classes.expansion(here.entry).enumerate() {
                walk(self).accept(lane, &filter.options, Here { entry, begins: index == 0, ..here });
            }
        } else {
            walk(self).accept(lane, &filter.options, here);
        }
        self.emit(filter, lane, walk, sink);
    }

    /// The text ends here.
    pub(crate) fn finish<S: Sink>(&mut self, filter: &Filter, sink: &mut S) {
        self.decide(filter, true, sink);
        sink.settle(usize::MAX);
    }

    /// Where the earliest match could start that is not decided yet; the position if none is under way.
    pub(crate) fn live(&mut self, filter: &Filter) -> usize {
        let mut live = self.position;
        if let Some(lane) = &filter.plain {
            live = live.min(self.plain.live(lane, &filter.options, self.position));
        }
        if let Some(lane) = &filter.exact {
            live = live.min(self.exact.live(lane, &filter.options, self.position));
        }
        self.undecided.iter().fold(live, |live, found| live.min(found.start))
    }

    /// Hands over the patterns that end with the character just accepted.
    #[inline]
    fn emit<S: Sink>(
        &mut self,
        filter: &Filter,
        lane: &Lane,
        walk: impl Fn(&mut Self) -> &mut Walk,
        sink: &mut S,
    ) {
        let mut node = lane.automaton.first_output(walk(self).node);
        while node != ROOT {
            let number = lane.automaton.pattern(node);
            match &lane.runs {
                None => self.hand_over(filter, number, &walk, sink),
                Some(runs) => {
                    for number in runs.alike(number) {
                        let trail = &*walk(self);
                        if runs.ends(number, |back| trail.mark(back).run) {
                            self.hand_over(filter, number, &walk, sink);
                        }
                    }
                }
            }
            node = lane.automaton.next_output(node);
        }
    }

    #[inline]
    fn hand_over<S: Sink>(
        &mut self,
        filter: &Filter,
        number: u32,
        walk: &impl Fn(&mut Self) -> &mut Walk,
        sink: &mut S,
    ) {
        let pattern = filter.patterns[number as usize];
        let walk = walk(self);
        let first = walk.mark(pattern.length());
        let fits = first.begins
            && (first.starts_word || !pattern.whole_start())
            && pattern.may_be_spaced(walk.spaced - first.spaced);
        if fits {
            let found = Found { start: first.at, end: self.position + 1, pattern: number };
            if pattern.whole_end() {
                self.undecided.push(found);
            } else {
                give(filter, pattern.role(), found, sink);
            }
        }
    }

    fn decide<S: Sink>(&mut self, filter: &Filter, stands_alone: bool, sink: &mut S) {
        for found in self.undecided.drain(..).filter(|_| stands_alone) {
            give(filter, filter.patterns[found.pattern as usize].role(), found, sink);
        }
    }
}

fn give<S: Sink>(filter: &Filter, role: Role, found: Found, sink: &mut S) {
    match role {
        Role::Word => sink.word(filter, found),
        Role::Allowed => sink.allowed(found.start, found.end),
    }
}

/// The character being read, or one of those that it stands for.
#[derive(Clone, Copy)]
struct Here {
    at: usize,
    entry: Entry,
    /// The character before it is no letter or digit of a spaced script.
    starts_word: bool,
    /// It is the first that the character of the text stands for.
    begins: bool,
}

/// An accepted character, or a run of one.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    at: usize,
    /// [`Walk::spaced`] at that character.
    spaced: usize,
    /// [`Walk::passed`] at that character.
    passed: usize,
    /// How many times in a row.
    run: usize,
    starts_word: bool,
    begins: bool,
}

/// One automaton's way over the characters that it accepts.
#[derive(Clone, Debug, Default)]
struct Walk {
    node: u32,
    /// Position and entry of the last accepted character.
    last_at: usize,
    last: Entry,
    /// Kinds of the noise since then.
    noise: u32,
    /// Noise characters so far.
    passed: usize,
    /// How many neighbours so far were letters or digits of spaced scripts with white space between them.
    spaced: usize,
    /// Ring of the last accepted characters, at least as many as the node is deep; a power of two, made when needed.
    trail: Vec<Mark>,
    count: usize,
}

impl Walk {
    #[inline]
    fn pass_over(&mut self, entry: Entry) {
        self.noise |= entry.kinds();
        self.passed += 1;
    }

    #[inline]
    fn accept(&mut self, lane: &Lane, options: &Options, here: Here) {
        let repeats = lane.runs.is_some() && here.entry.class() == self.last.class();
        if self.node != ROOT && self.noise != 0 {
            self.cross_gap(&lane.automaton, options, here, repeats);
        }
        if repeats && self.node != ROOT {
            let slot = (self.count - 1) & (self.trail.len() - 1);
            self.trail[slot].run += 1;
            self.trail[slot].passed = self.passed;
        } else {
            self.node = lane.automaton.step(self.node, here.entry.class());
            if self.node != ROOT {
                self.remember(&lane.automaton, here);
            }
        }
        self.last_at = here.at;
        self.last = here.entry;
        self.noise = 0;
    }

    #[inline]
    fn remember(&mut self, automaton: &Automaton, here: Here) {
        if self.trail.is_empty() {
            self.trail = vec![Mark::default(); automaton.longest().next_power_of_two()];
        }
        let slot = self.count & (self.trail.len() - 1);
        let Here { at, starts_word, begins, .. } = here;
        self.trail[slot] = Mark { at, spaced: self.spaced, passed: self.passed, run: 1, starts_word, begins };
        self.count += 1;
    }

    /// What the noise before this character means to the partial matches.
    fn cross_gap(&mut self, automaton: &Automaton, options: &Options, here: Here, repeats: bool) {
        self.prune(automaton, options, here.at);
        if options.whole_words {
            if self.last.is(kind::DIGIT) && here.entry.is(kind::DIGIT) && self.noise & !kind::INVISIBLE != 0 {
                // A price, a date, a phone number: two numbers, not one with noise in it.
                self.node = ROOT;
            } else if !repeats
                && self.last.is(kind::WORD)
                && here.entry.is(kind::WORD)
                && self.noise & kind::SPACE != 0
            {
                self.spaced += 1;
            }
        }
    }

    /// Gives up partial matches that hold more noise before position `at` than allowed.
    fn prune(&mut self, automaton: &Automaton, options: &Options, at: usize) {
        let Some(skip) = options.skip else { return };
        if self.node != ROOT && at - self.last_at - 1 > skip.gap {
            self.node = ROOT;
        }
        while self.node != ROOT {
            if self.passed - self.mark(automaton.depth(self.node)).passed <= skip.total {
                return;
            }
            self.node = automaton.fail(self.node);
        }
    }

    /// Where the longest partial match that may still grow starts; `at` if there is none.
    fn live(&mut self, lane: &Lane, options: &Options, at: usize) -> usize {
        let automaton = &lane.automaton;
        self.prune(automaton, options, at);
        let mut node = self.node;
        loop {
            node = match &lane.runs {
                None => automaton.live(node),
                Some(runs) => self.live_by_runs(automaton, runs, node),
            };
            if node == ROOT {
                return at;
            }
            let first = self.mark(automaton.depth(node));
            if first.begins {
                return first.at;
            }
            node = automaton.fail(node);
        }
    }

    fn live_by_runs(&self, automaton: &Automaton, runs: &Runs, mut node: u32) -> u32 {
        while node != ROOT && !automaton.has_children(node) && !self.may_run_on(automaton, runs, node) {
            node = automaton.fail(node);
        }
        node
    }

    /// Whether a pattern that ends at the node needs the last character more often than it stands there.
    fn may_run_on(&self, automaton: &Automaton, runs: &Runs, node: u32) -> bool {
        let pattern = automaton.marked(node);
        pattern != NO_PATTERN && runs.alike(pattern).any(|pattern| runs.last(pattern) > self.mark(1).run)
    }

    /// The accepted character that `back` accepted characters reach back to; 1 is the last one.
    #[inline]
    fn mark(&self, back: usize) -> Mark {
        debug_assert!(back >= 1 && back <= self.count && back <= self.trail.len());
        self.trail[(self.count - back) & (self.trail.len() - 1)]
    }
}
