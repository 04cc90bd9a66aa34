//! Extended grapheme clusters of UAX #29, revision 47 (Unicode 17), on code points as they lie in a `str`.
//!
//! One addition: a high surrogate and the low one after it are one cluster. Alone, a surrogate is one like a control.

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

/// Where a run of regional indicators was last found to start, and how far it was seen.
#[derive(Default)]
pub(super) struct Regionals {
    start: usize,
    stop: usize,
}

/// Whether a cluster ends before `text[at]`.
///
/// Looks back only where the two classes do not decide: over the extenders to a consonant or pictograph, or over a run
/// of regional indicators, whose start is remembered so that a long run is walked once.
#[inline]
pub(super) fn is_boundary<T: Unit>(text: &[T], at: usize, memo: &mut Regionals) -> bool {
    if at == 0 || at >= text.len() {
        return true;
    }
    let (before, after) = (text[at - 1].code_point(), text[at].code_point());
    let plain = |c| matches!(c, 0x20..=0x7e | 0x4e00..=0x9fff);
    (plain(before) && plain(after)) || !joins(text, at, Class::of(before), Class::of(after), memo)
}

fn joins<T: Unit>(text: &[T], at: usize, before: Class, after: Class, memo: &mut Regionals) -> bool {
    match (before, after) {
        (Any, Any) => false,
        (Cr, Lf) | (HighSurrogate, LowSurrogate) => true, // GB3
        (before, after) if before.stands_alone() || after.stands_alone() => false, // GB4, GB5
        (HangulL, HangulL | HangulV | HangulLV | HangulLVT) // GB6
        | (HangulLV | HangulV, HangulV | HangulT) // GB7
        | (HangulLVT | HangulT, HangulT) // GB8
        | (_, Extend | NonConjunctExtend | Linker | Zwj | SpacingMark) // GB9, GB9a
        | (Prepend, _) => true, // GB9b
        (Extend | Linker | Zwj, Consonant) => is_conjunct(&text[..at]), // GB9c
        (Zwj, Pictographic) => is_emoji(&text[..at - 1]), // GB11
        (Regional, Regional) => memo.is_odd(text, at), // GB12, GB13
        _ => false, // GB999
    }
}

fn classes_before<T: Unit>(text: &[T]) -> impl Iterator<Item = Class> {
    text.iter().rev().map(|unit| Class::of(unit.code_point()))
}

/// A consonant, then only extenders of conjuncts with a linker among them.
fn is_conjunct<T: Unit>(text: &[T]) -> bool {
    let mut linked = false;
    for class in classes_before(text) {
        match class {
            Linker => linked = true,
            Extend | Zwj => {}
            class => return linked && class == Consonant,
        }
    }
    false
}

/// A pictograph, then only extenders.
fn is_emoji<T: Unit>(text: &[T]) -> bool {
    classes_before(text).find(|class| !matches!(class, Extend | NonConjunctExtend | Linker))
        == Some(Pictographic)
}

impl Regionals {
    /// Whether the number of regional indicators that end at `at` is odd.
    fn is_odd<T: Unit>(&mut self, text: &[T], at: usize) -> bool {
        let is = |unit: &T| Class::of(unit.code_point()) == Regional;
        let known = if self.start < self.stop && self.stop <= at { self.stop } else { 0 };
        let start = match text[known..at].iter().rposition(|unit| !is(unit)) {
            Some(other) => known + other + 1,
            None if known > 0 => self.start,
            None => 0,
        };
        *self = Self { start, stop: at };
        (at - start) % 2 == 1
    }
}
