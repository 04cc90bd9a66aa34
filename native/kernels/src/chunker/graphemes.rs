//! Extended grapheme clusters of UAX #29, revision 47 (Unicode 17), on code points as they lie in a `str`.
//!
//! One addition: a high surrogate and the low one after it are one cluster. Alone, a surrogate is one like a control.

use super::Rank;
use super::grapheme_table::RANGES;
use crate::text::Unit;

/// `Grapheme_Cluster_Break`, with `Extend` parted by `Indic_Conjunct_Break` and surrogates apart from controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Any,
    Cr,
    Lf,
    Control,
    HighSurrogate,
    LowSurrogate,
    Extend,
    NonConjunctExtend,
    Linker,
    Zwj,
    SpacingMark,
    Prepend,
    Regional,
    Pictographic,
    Consonant,
    HangulL,
    HangulV,
    HangulT,
    HangulLV,
    HangulLVT,
}
#[allow(clippy::enum_glob_use, reason = "the rules below read as those of UAX #29")]
use Class::*;

impl Class {
    #[inline]
    fn of(point: u32) -> Self {
        match point {
            0x20..=0x7e | 0x4e00..=0x9fff => Any,
            0xac00..=0xd7a3 if (point - 0xac00) % 28 == 0 => HangulLV,
            0xac00..=0xd7a3 => HangulLVT,
            _ => {
                let at = RANGES.partition_point(|&(low, _, _)| low <= point);
                match at.checked_sub(1).map(|at| RANGES[at]) {
                    Some((_, high, class)) if point <= high => class,
                    _ => Any,
                }
            }
        }
    }

    fn stands_alone(self) -> bool {
        matches!(self, Cr | Lf | Control | HighSurrogate | LowSurrogate)
    }
}

/// What the rules must know of the text before a place.
struct Before {
    class: Class,
    /// A pictograph, then only `Extend` (and at last a joiner): GB11.
    pictograph: bool,
    /// An odd number of regional indicators: GB12, GB13.
    odd_regional: bool,
    /// `GB9c`.
    conjunct: Conjunct,
}

/// How much of a conjunct there is: nothing, a consonant with extenders, or one with a linker among them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conjunct {
    None,
    Consonant,
    Linked,
}

impl Before {
    fn joins(&self, after: Class) -> bool {
        match (self.class, after) {
            (Any, Any) => false,
            (Cr, Lf) | (HighSurrogate, LowSurrogate) => true, // GB3
            (before, after) if before.stands_alone() || after.stands_alone() => false, // GB4, GB5
            (HangulL, HangulL | HangulV | HangulLV | HangulLVT) // GB6
            | (HangulLV | HangulV, HangulV | HangulT) // GB7
            | (HangulLVT | HangulT, HangulT) // GB8
            | (_, Extend | NonConjunctExtend | Linker | Zwj | SpacingMark) // GB9, GB9a
            | (Prepend, _) => true, // GB9b
            (_, Consonant) => self.conjunct == Conjunct::Linked, // GB9c
            (Zwj, Pictographic) => self.pictograph, // GB11
            (Regional, Regional) => self.odd_regional, // GB12, GB13
            _ => false, // GB999
        }
    }

    fn step(&mut self, next: Class) {
        self.conjunct = match next {
            Consonant => Conjunct::Consonant,
            Linker if self.conjunct != Conjunct::None => Conjunct::Linked,
            Extend | Linker | Zwj => self.conjunct,
            _ => Conjunct::None,
        };
        self.pictograph = match next {
            Pictographic => true,
            Extend | NonConjunctExtend | Linker | Zwj => self.pictograph && self.class != Zwj,
            _ => false,
        };
        self.odd_regional = next == Regional && !(self.class == Regional && self.odd_regional);
        self.class = next;
    }
}

/// Marks every place within a cluster as `Inside`.
pub(super) fn rank<T: Unit>(text: &[T], places: &mut [Rank]) {
    let mut before =
        Before { class: Control, pictograph: false, odd_regional: false, conjunct: Conjunct::None };
    for (unit, place) in text.iter().zip(places) {
        let class = Class::of(unit.code_point());
        if before.joins(class) {
            *place = Rank::Inside;
        }
        before.step(class);
    }
}
