//! Words, clauses and sentences: ranks that depend on the characters around a place and nothing else.

use super::marks::{
    BLANK, CLINGING, CLOSER, END, IDEOGRAPH, NEWLINE, OPENER, PAUSE, STRONG_END, STRONG_PAUSE,
    WESTERN_OPENER, is_lowercase, marks,
};
use super::{Rank, raise};
use crate::text::Unit;

/// Never at the end of a sentence, whatever follows.
const ABBREVIATIONS: [&str; 51] = [
    "mr", "mrs", "ms", "mx", "dr", "prof", "rev", "hon", "gen", "gov", "sen", "rep", "st", "mt", "ft",
    "messrs", "mme", "mlle", "vs", "cf", "viz", "al", "approx", "appt", "apt", "dept", "est", "ext", "incl",
    "excl", "tel", "inc", "ltd", "co", "corp", "bros", "jr", "sr", "jan", "feb", "mar", "apr", "jun", "jul",
    "aug", "sep", "sept", "oct", "nov", "dec", "ph.d",
];
/// Only before a number: `No. 5`, but `No. I did not.`
const NUMBERED: [&str; 12] = ["no", "nos", "nr", "art", "ch", "fig", "figs", "vol", "p", "pp", "par", "sec"];
const LONGEST_ABBREVIATION: usize = 12;

pub(super) fn rank<T: Unit>(text: &[T], places: &mut [Rank]) {
    let mut before = 0;
    let (mut end_done, mut pause_done) = (0, 0);
    for (at, unit) in text.iter().enumerate() {
        let here = marks(unit.code_point());
        if here & BLANK != 0 {
            raise(places, at, at + 1, Rank::Word);
        }
        if (before | here) & IDEOGRAPH != 0
            && before & (OPENER | WESTERN_OPENER) == 0
            && here & (CLOSER | END | PAUSE | CLINGING) == 0
        {
            raise(places, at, at, Rank::Word);
        }
        if here & PAUSE != 0 && at >= pause_done {
            let run = Run::at(text, at, PAUSE);
            pause_done = run.stop;
            if run.is_free(text, END, STRONG_PAUSE) {
                raise(places, run.stop, run.gap_end, Rank::Clause);
            }
        }
        if here & END != 0 && at >= end_done {
            let run = Run::at(text, at, END);
            end_done = run.stop;
            if run.is_free(text, PAUSE, STRONG_END) && !run.goes_on(text) {
                raise(places, run.stop, run.gap_end, Rank::Sentence);
            }
        }
        before = here;
    }
}

/// Marks of one sort with the closers among and behind them, and the blanks that follow.
struct Run {
    start: usize,
    stop: usize,
    gap_end: usize,
    /// All that its characters are.
    seen: u16,
}

impl Run {
    fn at<T: Unit>(text: &[T], start: usize, sort: u16) -> Self {
        let mut seen = 0;
        let mut stop = start;
        while let Some(here) =
            text.get(stop).map(|unit| marks(unit.code_point())).filter(|m| m & (sort | CLOSER) != 0)
        {
            seen |= here;
            stop += 1;
        }
        let blanks = text[stop..].iter().take_while(|unit| marks(unit.code_point()) & BLANK != 0).count();
        Self { start, stop, gap_end: stop + blanks, seen }
    }

    /// Whether text may be parted behind these marks: `3.14`, `12:30` and `”，` are not.
    fn is_free<T: Unit>(&self, text: &[T], others: u16, strong: u16) -> bool {
        let Some(following) = text.get(self.stop).map(|unit| marks(unit.code_point())) else { return true };
        following & others == 0
            && (self.seen & strong != 0 || following & (BLANK | NEWLINE | IDEOGRAPH | OPENER) != 0)
    }

    /// Whether dots stand for an abbreviation or a pause: no sentence ends, though a blank follows.
    fn goes_on<T: Unit>(&self, text: &[T]) -> bool {
        let marks = &text[self.start..self.stop];
        let is = |unit: &T, chars: &[char]| chars.iter().any(|&c| unit.code_point() == u32::from(c));
        if self.seen & STRONG_END != 0 || marks.iter().any(|unit| is(unit, &['!', '?', ';'])) {
            return false;
        }
        let following = text.get(self.gap_end).map(|unit| unit.code_point());
        if following.is_some_and(is_lowercase) {
            return true;
        }
        if !is(&marks[0], &['.']) || marks[1..].iter().any(|unit| is(unit, &['.', '…'])) {
            return false;
        }
        let before_number = following.is_some_and(|c| (0x30..=0x39).contains(&c));
        is_abbreviation(&Token::before(text, self.start), before_number)
    }
}

/// The ASCII letters and dots before a place, as far as an abbreviation reaches.
struct Token {
    letters: [u8; LONGEST_ABBREVIATION],
    start: usize,
}

impl Token {
    fn before<T: Unit>(text: &[T], end: usize) -> Self {
        let mut token = Self { letters: [0; LONGEST_ABBREVIATION], start: LONGEST_ABBREVIATION };
        for unit in text[..end].iter().rev().take(LONGEST_ABBREVIATION) {
            let Ok(letter) = u8::try_from(unit.code_point()) else { break };
            if !letter.is_ascii_alphabetic() && letter != b'.' {
                break;
            }
            token.start -= 1;
            token.letters[token.start] = letter;
        }
        token
    }
}

fn is_abbreviation(token: &Token, before_number: bool) -> bool {
    let letters = &token.letters[token.start..];
    if let [letter] = letters
        && letter.is_ascii_uppercase()
    {
        return true; // J. Smith
    }
    let initials = letters.contains(&b'.') && letters.split(|&c| c == b'.').all(|part| part.len() == 1); // U.S, a.m
    let among = |list: &[&str]| list.iter().any(|known| letters.eq_ignore_ascii_case(known.as_bytes()));
    initials || among(&ABBREVIATIONS) || (before_number && among(&NUMBERED))
}
