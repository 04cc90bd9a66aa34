//! Words, clauses and sentences: ranks that depend on the characters around a place and nothing else.

use super::Rank;
use super::lines::is_blank;
use super::marks::{
    BLANK, CLINGING, CLOSER, END, IDEOGRAPH, NEWLINE, OPENER, PAUSE, STRONG_END, STRONG_PAUSE,
    WESTERN_OPENER, is_lowercase, marks,
};
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

/// Whether a word may end between two characters of which these are the marks.
#[inline]
pub(super) fn is_word_break(before: u16, after: u16) -> bool {
    (before | after) & BLANK != 0
        || ((before | after) & IDEOGRAPH != 0
            && before & (OPENER | WESTERN_OPENER) == 0
            && after & (CLOSER | END | PAUSE | CLINGING) == 0)
}

/// The rank of the place behind a run of marks, and of those behind each blank that follows.
pub(super) fn rank_behind<T: Unit>(text: &[T], stop: usize) -> Rank {
    let before = stop.checked_sub(1).map_or(0, |at| marks(text[at].code_point()));
    if before & (CLOSER | END | PAUSE) == 0 {
        return Rank::Grapheme;
    }
    let ends = Run::to(text, stop, END).filter(|run| run.is_free(text, PAUSE, STRONG_END));
    let pauses = || Run::to(text, stop, PAUSE).filter(|run| run.is_free(text, END, STRONG_PAUSE));
    match ends.map(|run| run.rank(text)) {
        Some(Rank::Sentence) => Rank::Sentence,
        found => pauses().map_or(Rank::Grapheme, |_| Rank::Clause).max(found.unwrap_or(Rank::Grapheme)),
    }
}

/// Marks of one sort with the closers among and behind them.
struct Run {
    start: usize,
    stop: usize,
    /// All that its characters are.
    seen: u16,
}

impl Run {
    /// The run that stops here, if one does: from its first mark on, a run takes all marks and closers.
    fn to<T: Unit>(text: &[T], stop: usize, sort: u16) -> Option<Self> {
        if text.get(stop).is_some_and(|unit| marks(unit.code_point()) & (sort | CLOSER) != 0) {
            return None;
        }
        let (mut start, mut seen, mut closers) = (stop, 0, 0);
        for (at, unit) in text[..stop].iter().enumerate().rev() {
            let here = marks(unit.code_point());
            if here & (sort | CLOSER) == 0 {
                break;
            }
            closers |= here;
            if here & sort != 0 {
                (start, seen) = (at, closers);
            }
        }
        (start < stop).then_some(Self { start, stop, seen })
    }

    /// Whether text may be parted behind these marks: `3.14`, `12:30` and `”，` are not.
    fn is_free<T: Unit>(&self, text: &[T], others: u16, strong: u16) -> bool {
        let Some(following) = text.get(self.stop).map(|unit| marks(unit.code_point())) else { return true };
        following & others == 0
            && (self.seen & strong != 0 || following & (BLANK | NEWLINE | IDEOGRAPH | OPENER) != 0)
    }

    /// Dots may stand for an abbreviation; and before a lower-case letter they end no sentence (SB8 of UAX #29).
    fn rank<T: Unit>(&self, text: &[T]) -> Rank {
        let marks = &text[self.start..self.stop];
        let has = |chars: &[char]| {
            marks.iter().any(|unit| chars.iter().any(|&c| unit.code_point() == u32::from(c)))
        };
        if self.seen & STRONG_END != 0 || has(&['!', '?', ';']) {
            return Rank::Sentence;
        }
        let following = text[self.stop..].iter().map(|unit| unit.code_point()).find(|&c| !is_blank(c));
        let dots = marks.iter().filter(|unit| unit.code_point() == u32::from('.')).count();
        if dots == 1 && marks[0].code_point() == u32::from('.') && !has(&['…']) {
            let before_number = following.is_some_and(|c| (0x30..=0x39).contains(&c));
            if is_abbreviation(&Token::before(text, self.start), before_number) {
                return Rank::Grapheme;
            }
        }
        if following.is_some_and(is_lowercase) { Rank::Clause } else { Rank::Sentence }
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
