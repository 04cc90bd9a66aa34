//! Searches for the few characters that decide, many at a time.
//!
//! Plain loops over blocks that the compiler turns into vector instructions; on x86-64 each is compiled a second time
//! for AVX2, which is chosen when it runs.

#![allow(clippy::inline_always, reason = "else they are not compiled for the instructions of their caller")]

use crate::text::Unit;

/// Sets of characters, as tests in the width of the text: wider ones would halve the speed. Not 0 is yes.
pub trait Scan: Unit + Send + Sync + Default + std::ops::BitOr<Output = Self> + Eq {
    /// `NEWLINE` of `marks`.
    #[must_use]
    fn newline(self) -> Self;
    /// What every code fence and table has: a backtick, a tilde or a bar.
    #[must_use]
    fn kept(self) -> Self;
    /// `WEAK_END` of `marks`, as far as Latin-1 goes.
    #[must_use]
    fn dot(self) -> Self;

    /// Whether it ends a line.
    #[inline]
    fn is_newline(self) -> bool {
        self.newline() != Self::default()
    }
}

macro_rules! scan {
    ($unit:ty, $more_newlines:expr) => {
        impl Scan for $unit {
            #[inline(always)]
            fn newline(self) -> Self {
                let more: fn($unit) -> $unit = $more_newlines;
                <$unit>::from(self.wrapping_sub(0x0a) < 4) | <$unit>::from(self == 0x85) | more(self)
            }

            #[inline(always)]
            fn kept(self) -> Self {
                // A bar and a tilde differ in one bit.
                <$unit>::from(self == 0x60) | <$unit>::from(self & !2 == 0x7c)
            }

            #[inline(always)]
            fn dot(self) -> Self {
                <$unit>::from(self == 0x2e)
                    | <$unit>::from(self == 0x21)
                    | <$unit>::from(self == 0x3f)
                    | <$unit>::from(self == 0x3b)
            }
        }
    };
}

scan!(u8, |_| 0);
scan!(u16, |unit| u16::from(unit & !1 == 0x2028));
scan!(u32, |unit| u32::from(unit & !1 == 0x2028));

/// Runs a search in the widest instructions that this CPU has.
macro_rules! dispatch {
    ($text:expr, $search:ident, $is:expr) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn avx2<T: Scan>(text: &[T]) -> Option<usize> {
                $search(text, $is)
            }
            if $text.len() >= BLOCK && $crate::cpu::has_bit_instructions() {
                // SAFETY: the CPU has what the function is compiled for.
                return unsafe { avx2($text) };
            }
        }
        $search($text, $is)
    }};
}

/// Index of the first newline.
#[inline]
pub fn find_newline<T: Scan>(text: &[T]) -> Option<usize> {
    dispatch!(text, forward, T::newline)
}

/// Index of the last newline.
#[inline]
pub fn rfind_newline<T: Scan>(text: &[T]) -> Option<usize> {
    dispatch!(text, backward, T::newline)
}

/// Index of the first character that a fence or table may start with.
#[inline]
pub fn find_kept<T: Scan>(text: &[T]) -> Option<usize> {
    dispatch!(text, forward, T::kept)
}

/// Index of the last full stop, exclamation or question mark or semicolon of ASCII.
#[inline]
pub fn rfind_dot<T: Scan>(text: &[T]) -> Option<usize> {
    dispatch!(text, backward, T::dot)
}

const BLOCK: usize = 64;
const PART: usize = 8;

#[inline(always)]
fn any<T: Scan>(block: &[T], is: impl Fn(T) -> T) -> bool {
    block.iter().fold(T::default(), |found, &unit| found | is(unit)) != T::default()
}

#[inline(always)]
fn forward<T: Scan>(text: &[T], is: impl Fn(T) -> T + Copy) -> Option<usize> {
    let mut blocks = text.chunks_exact(BLOCK);
    let mut before = 0;
    for block in blocks.by_ref() {
        if any(block, is) {
            return within(block, is).map(|at| before + at);
        }
        before += BLOCK;
    }
    within(blocks.remainder(), is).map(|at| before + at)
}

#[inline(always)]
fn within<T: Scan>(text: &[T], is: impl Fn(T) -> T + Copy) -> Option<usize> {
    let mut before = 0;
    let mut parts = text.chunks_exact(PART);
    for part in parts.by_ref() {
        if any(part, is) {
            return part.iter().position(|&unit| is(unit) != T::default()).map(|at| before + at);
        }
        before += PART;
    }
    parts.remainder().iter().position(|&unit| is(unit) != T::default()).map(|at| before + at)
}

#[inline(always)]
fn backward<T: Scan>(text: &[T], is: impl Fn(T) -> T + Copy) -> Option<usize> {
    let mut blocks = text.rchunks_exact(BLOCK);
    let mut before = text.len();
    for block in blocks.by_ref() {
        before -= BLOCK;
        if any(block, is) {
            return rwithin(block, is).map(|at| before + at);
        }
    }
    rwithin(blocks.remainder(), is)
}

#[inline(always)]
fn rwithin<T: Scan>(text: &[T], is: impl Fn(T) -> T + Copy) -> Option<usize> {
    let mut parts = text.rchunks_exact(PART);
    let mut before = text.len();
    for part in parts.by_ref() {
        before -= PART;
        if any(part, is) {
            return part.iter().rposition(|&unit| is(unit) != T::default()).map(|at| before + at);
        }
    }
    parts.remainder().iter().rposition(|&unit| is(unit) != T::default())
}
