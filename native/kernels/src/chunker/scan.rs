//! Searches for the few characters that decide, many at a time.
//!
//! Plain loops over blocks that the compiler turns into vector instructions; on x86-64 each is compiled a second time
//! for AVX2, which is chosen when it runs.

use crate::text::Unit;

/// Sets of characters, as tests in the width of the text: wider ones would halve the speed.
pub trait Scan: Unit + Send + Sync {
    /// `NEWLINE` of `marks`.
    fn is_newline(self) -> bool;
    /// What every code fence and table has: a backtick, a tilde or a bar.
    fn is_kept(self) -> bool;
    /// `WEAK_END` of `marks`, as far as Latin-1 goes.
    fn is_dot(self) -> bool;
}

impl Scan for u8 {
    #[inline(always)]
    fn is_newline(self) -> bool {
        (self.wrapping_sub(0x0a) < 4) | (self == 0x85)
    }

    #[inline(always)]
    fn is_kept(self) -> bool {
        (self == b'`') | (self == b'~') | (self == b'|')
    }

    #[inline(always)]
    fn is_dot(self) -> bool {
        (self == b'.') | (self == b'!') | (self == b'?') | (self == b';')
    }
}

macro_rules! wide {
    ($unit:ty) => {
        impl Scan for $unit {
            #[inline(always)]
            fn is_newline(self) -> bool {
                (self.wrapping_sub(0x0a) < 4) | (self == 0x85) | (self & !1 == 0x2028)
            }

            #[inline(always)]
            fn is_kept(self) -> bool {
                (self == 0x60) | (self == 0x7e) | (self == 0x7c)
            }

            #[inline(always)]
            fn is_dot(self) -> bool {
                (self == 0x2e) | (self == 0x21) | (self == 0x3f) | (self == 0x3b)
            }
        }
    };
}

wide!(u16);
wide!(u32);

/// Runs a search in the widest instructions that this CPU has.
macro_rules! dispatch {
    ($text:expr, $search:ident, $is:expr) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn avx2<T: Scan>(text: &[T]) -> Option<usize> {
                $search(text, $is)
            }
            if $text.len() >= BLOCK && std::arch::is_x86_feature_detected!("avx2") {
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
    dispatch!(text, forward, T::is_newline)
}

/// Index of the last newline.
#[inline]
pub fn rfind_newline<T: Scan>(text: &[T]) -> Option<usize> {
    dispatch!(text, backward, T::is_newline)
}

/// Index of the first character that a fence or table may start with.
#[inline]
pub fn find_kept<T: Scan>(text: &[T]) -> Option<usize> {
    dispatch!(text, forward, T::is_kept)
}

/// Index of the last full stop, exclamation or question mark or semicolon of ASCII.
#[inline]
pub fn rfind_dot<T: Scan>(text: &[T]) -> Option<usize> {
    dispatch!(text, backward, T::is_dot)
}

const BLOCK: usize = 64;
const PART: usize = 8;

#[inline(always)]
fn any<T: Scan>(block: &[T], is: impl Fn(T) -> bool) -> bool {
    block.iter().fold(false, |found, &unit| found | is(unit))
}

#[inline(always)]
fn forward<T: Scan>(text: &[T], is: impl Fn(T) -> bool + Copy) -> Option<usize> {
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
fn within<T: Scan>(text: &[T], is: impl Fn(T) -> bool + Copy) -> Option<usize> {
    let mut before = 0;
    let mut parts = text.chunks_exact(PART);
    for part in parts.by_ref() {
        if any(part, is) {
            return part.iter().position(|&unit| is(unit)).map(|at| before + at);
        }
        before += PART;
    }
    parts.remainder().iter().position(|&unit| is(unit)).map(|at| before + at)
}

#[inline(always)]
fn backward<T: Scan>(text: &[T], is: impl Fn(T) -> bool + Copy) -> Option<usize> {
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
fn rwithin<T: Scan>(text: &[T], is: impl Fn(T) -> bool + Copy) -> Option<usize> {
    let mut parts = text.rchunks_exact(PART);
    let mut before = text.len();
    for part in parts.by_ref() {
        before -= PART;
        if any(part, is) {
            return part.iter().rposition(|&unit| is(unit)).map(|at| before + at);
        }
    }
    parts.remainder().iter().rposition(|&unit| is(unit))
}
