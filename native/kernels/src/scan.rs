//! One pass over a text, whole or in pieces: automata over its characters with and without noise.
//!
//! Nothing is copied and no offset table is made: a walk remembers where the characters of its longest partial match
//! stood, and nothing else. Time is linear in the text for a given list of words.

use crate::automaton::{Automaton, ROOT};
use crate::classes::Entry;
use crate::filter::{Filter, Options, Role};
use crate::fold::kind;
use crate::sink::{All, First, Leftmost, Sink};
use crate::text::Unit;

/// An occurrence of a word: code points `start..end` of the text, and the number of its pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// First code point.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// Index of the pattern in the keys that the filter was built from.
    pub pattern: u32,
}

impl Filter {
    /// Whether [`Self::find`] would find anything.
    #[must_use]
    pub fn contains<U: Unit>(&self, text: &[U]) -> bool {
        if self.has_allowed {
            let mut sink = Leftmost::stopping_at_first();
            Scan::default().whole(self, text, &mut sink);
            !sink.found.is_empty()
        } else {
            let mut sink = First::default();
            Scan::default().whole(self, text, &mut sink);
            sink.hit
        }
    }

    /// Hits from left to right: the leftmost first, the longest where several start, none overlapping.
    #[must_use]
    pub fn find<U: Unit>(&self, text: &[U]) -> Vec<Found> {
        let mut sink = Leftmost::default();
        Scan::default().whole(self, text, &mut sink);
        sink.found
    }

    /// Every hit, ordered by start, then end, then the pattern with more of the text in it.
    #[must_use]
    pub fn find_overlapping<U: Unit>(&self, text: &[U]) -> Vec<Found> {
        let mut sink = All::default();
        Scan::default().whole(self, text, &mut sink);
        sink.into_found(|pattern| self.patterns[pattern as usize].length)
    }
}

/// State of a pass; `Default` is the beginning of a text.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Code points read.
    position: usize,
    plain: Walk,
    exact: Walk,
    /// The last character.
    last: Entry,
    /// Ends with the last character if the next is no letter or digit.
    undecided: Vec<Found>,
}

impl Scan {
    fn whole<U: Unit, S: Sink>(&mut self, filter: &Filter, text: &[U], sink: &mut S) {
        self.feed(filter, text, sink);
        self.finish(filter, sink);
    }

    /// Reads on, until the end of `text` or until the sink has enough.
    pub(crate) fn feed<U: Unit, S: Sink>(&mut self, filter: &Filter, text: &[U], sink: &mut S) {
        for &unit in text {
            let entry = filter.classes.get(unit.code_point());
            if !self.undecided.is_empty() {
                self.decide(filter, !entry.is(kind::WORD), sink);
            }
            let here = Here { at: self.position, entry, starts_word: !self.last.is(kind::WORD) };
            if let Some(automaton) = &filter.plain {
                if entry.is(kind::NOISE) {
                    self.plain.noise |= entry.kinds();
                } else {
                    self.plain.accept(automaton, &filter.options, here);
                    self.emit(filter, automaton, |scan| &scan.plain, sink);
                }
            }
            if let Some(automaton) = &filter.exact {
                self.exact.accept(automaton, &filter.options, here);
                self.emit(filter, automaton, |scan| &scan.exact, sink);
            }
            self.position += 1;
            self.last = entry;
            if sink.waits() {
                sink.settle(self.live(filter));
                if sink.enough() {
                    return;
                }
            }
        }
    }

    /// The text ends here.
    pub(crate) fn finish<S: Sink>(&mut self, filter: &Filter, sink: &mut S) {
        self.decide(filter, true, sink);
        sink.settle(usize::MAX);
    }

    /// Where the earliest match could start that is not decided yet; the position if none is under way.
    pub(crate) fn live(&mut self, filter: &Filter) -> usize {
        let mut live = self.position;
        if let Some(automaton) = &filter.plain {
            live = live.min(self.plain.live(automaton, &filter.options, self.position));
        }
        if let Some(automaton) = &filter.exact {
            live = live.min(self.exact.live(automaton, &filter.options, self.position));
        }
        self.undecided.iter().fold(live, |live, found| live.min(found.start))
    }

    /// Hands over the patterns that end with the character just accepted.
    #[inline]
    fn emit<S: Sink>(
        &mut self,
        filter: &Filter,
        automaton: &Automaton,
        walk: impl Fn(&Self) -> &Walk,
        sink: &mut S,
    ) {
        let mut node = automaton.first_output(walk(self).node);
        while node != ROOT {
            let number = automaton.pattern(node);
            let pattern = filter.patterns[number as usize];
            let first = walk(self).mark(pattern.length as usize);
            let spaced = walk(self).spaced - first.spaced;
            if (first.starts_word || !pattern.whole_start)
                && (spaced == 0 || spaced == pattern.pairs as usize)
            {
                let found = Found { start: first.at, end: self.position + 1, pattern: number };
                if pattern.whole_end {
                    self.undecided.push(found);
                } else {
                    hand_over(pattern.role, found, sink);
                }
            }
            node = automaton.next_output(node);
        }
    }

    fn decide<S: Sink>(&mut self, filter: &Filter, stands_alone: bool, sink: &mut S) {
        for found in self.undecided.drain(..).filter(|_| stands_alone) {
            hand_over(filter.patterns[found.pattern as usize].role, found, sink);
        }
    }
}

fn hand_over<S: Sink>(role: Role, found: Found, sink: &mut S) {
    match role {
        Role::Word => sink.word(found),
        Role::Allowed => sink.allowed(found.start, found.end),
    }
}

/// The character being read.
#[derive(Clone, Copy)]
struct Here {
    at: usize,
    entry: Entry,
    /// The character before it is no letter or digit of a spaced script.
    starts_word: bool,
}

/// An accepted character.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    at: usize,
    /// [`Walk::spaced`] at that character.
    spaced: usize,
    starts_word: bool,
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
    /// How many neighbours so far were letters or digits of spaced scripts with white space between them.
    spaced: usize,
    /// Ring of the last accepted characters, at least as many as the node is deep; a power of two, made when needed.
    trail: Vec<Mark>,
    count: usize,
}

impl Walk {
    #[inline]
    fn accept(&mut self, automaton: &Automaton, options: &Options, here: Here) {
        if self.node != ROOT {
            self.cross_gap(automaton, options, here);
        }
        self.node = automaton.step(self.node, here.entry.class());
        if self.node != ROOT {
            if self.trail.is_empty() {
                self.trail = vec![Mark::default(); automaton.longest().next_power_of_two()];
            }
            let slot = self.count & (self.trail.len() - 1);
            self.trail[slot] = Mark { at: here.at, spaced: self.spaced, starts_word: here.starts_word };
            self.count += 1;
        }
        self.last_at = here.at;
        self.last = here.entry;
        self.noise = 0;
    }

    /// What the noise before this character means to the partial matches.
    #[inline]
    fn cross_gap(&mut self, automaton: &Automaton, options: &Options, here: Here) {
        if self.noise == 0 {
            return;
        }
        self.prune(automaton, options, here.at);
        if options.whole_words {
            if self.last.is(kind::DIGIT) && here.entry.is(kind::DIGIT) && self.noise & !kind::INVISIBLE != 0 {
                // A price, a date, a phone number: two numbers, not one with noise in it.
                self.node = ROOT;
            } else if self.last.is(kind::WORD) && here.entry.is(kind::WORD) && self.noise & kind::SPACE != 0 {
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
            let depth = automaton.depth(self.node);
            if at - self.mark(depth).at - depth <= skip.total {
                return;
            }
            self.node = automaton.fail(self.node);
        }
    }

    /// Where the longest partial match that may still grow starts; `at` if there is none.
    fn live(&mut self, automaton: &Automaton, options: &Options, at: usize) -> usize {
        self.prune(automaton, options, at);
        match automaton.live(self.node) {
            ROOT => at,
            node => self.mark(automaton.depth(node)).at,
        }
    }

    /// The accepted character that `back` accepted characters reach back to; 1 is the last one.
    #[inline]
    fn mark(&self, back: usize) -> Mark {
        debug_assert!(back >= 1 && back <= self.count && back <= self.trail.len());
        self.trail[(self.count - back) & (self.trail.len() - 1)]
    }
}
