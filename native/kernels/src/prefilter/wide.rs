//! Passing 64 characters at once with AVX-512: codes and bits are looked up one by one, all between is done on vectors.

#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::*;

use super::{CODE_POINTS, Cursor, INSIDE, NOISE, Prefilter, STOP};
use crate::classes::Classes;
use crate::text::Unit;

/// Characters that are passed at once.
pub(super) const BLOCK: usize = 64;

impl Prefilter {
    /// Goes on by whole blocks, as long as they hold nothing to be looked at more closely.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,bmi1,bmi2,popcnt")]
    pub(super) fn pass_wide_blocks<U: Unit>(
        &self,
        classes: &Classes,
        text: &[U],
        mut at: usize,
        cursor: &mut Cursor,
    ) -> usize {
        let codes: &[u16; CODE_POINTS] = (&*self.codes).try_into().expect("as long as it was made");
        // The code of the character before, then those of the block.
        let mut read = [0u16; 1 + BLOCK];
        // As first and as second of a pair, noise left out; before the former the first of before.
        let mut firsts = [0u16; 1 + BLOCK + 32];
        let mut seconds = [0u16; BLOCK + 32];
        let mut places = [0u32; BLOCK];
        // The table's last word is empty.
        let nowhere = (self.bits.len() as u32 - 1) * 32;
        let (shift, most) = (_mm_cvtsi32_si128(self.shift as i32), places.len());
        let (noise, stop) = (_mm512_set1_epi16(NOISE as i16), _mm512_set1_epi16(STOP as u16 as i16));
        let outside = _mm512_set1_epi16(!(INSIDE as i16));
        for block in text[at..].chunks_exact(BLOCK) {
            read[0] = cursor.raw as u16;
            for (code, &unit) in read[1..].iter_mut().zip(block) {
                *code = match u16::try_from(unit.code_point()) {
                    Ok(basic) => codes[usize::from(basic)],
                    Err(_) => self.code(classes.get(unit.code_point())) as u16,
                };
            }
            firsts[0] = cursor.first as u16;
            let mut count = 0;
            let mut stops = 0;
            for half in [0, 32] {
                // SAFETY: 32 elements from 1 + half, and from half, lie in `read`; 32 from 1 + count, and from count,
                // in `firsts` and `seconds`, as count is 32 at most.
                unsafe {
                    let code = _mm512_loadu_si512(read.as_ptr().add(1 + half).cast());
                    let before = _mm512_loadu_si512(read.as_ptr().add(half).cast());
                    stops |= _mm512_test_epi16_mask(code, stop);
                    let first = _mm512_and_si512(code, _mm512_or_si512(before, outside));
                    let kept = _mm512_cmpneq_epi16_mask(code, noise);
                    let (first, second) =
                        (_mm512_maskz_compress_epi16(kept, first), _mm512_maskz_compress_epi16(kept, code));
                    _mm512_storeu_si512(firsts.as_mut_ptr().add(1 + count).cast(), first);
                    _mm512_storeu_si512(seconds.as_mut_ptr().add(count).cast(), second);
                    count += kept.count_ones() as usize;
                }
            }
            if stops != 0 {
                return at;
            }
            let mut any = 0;
            for from in (0..count).step_by(16) {
                // SAFETY: 16 elements from `from`, below 64, lie in each array.
                unsafe {
                    let first = _mm512_cvtepu16_epi32(_mm256_loadu_si256(firsts.as_ptr().add(from).cast()));
                    let second = _mm512_cvtepu16_epi32(_mm256_loadu_si256(seconds.as_ptr().add(from).cast()));
                    let place = _mm512_xor_si512(_mm512_sll_epi32(first, shift), second);
                    let left = count - from;
                    let there = if left >= 16 { 0xFFFF } else { (1 << left) - 1 };
                    let place = _mm512_mask_mov_epi32(_mm512_set1_epi32(nowhere as i32), there, place);
                    _mm512_storeu_si512(places.as_mut_ptr().add(from).cast(), place);
                }
                debug_assert!(from + 16 <= most);
                for &place in &places[from..from + 16] {
                    // SAFETY: codes are below 2^15, as none has STOP, so places are below 2^(15 + shift), or `nowhere`.
                    any |= unsafe { *self.bits.get_unchecked(place as usize / 32) } >> (place % 32);
                }
            }
            if any & 1 != 0 {
                return at;
            }
            cursor.first = u32::from(firsts[count]);
            cursor.raw = u32::from(read[BLOCK]);
            at += BLOCK;
        }
        at
    }
}
