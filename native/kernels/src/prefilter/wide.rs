//! Up to 64 characters at once with AVX-512: codes and bits are looked up one by one, all between is done on vectors.

use std::arch::x86_64::*;

use super::{CODE_POINTS, Cursor, INSIDE, NOISE, Prefilter, STOP};
use crate::classes::Classes;
use crate::text::Unit;

/// Characters that are read at once, at most.
const BLOCK: usize = 64;
/// At first it is so many: a hit is often followed by another.
const SHORT: usize = 16;

impl Prefilter {
    /// As `next`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,bmi1,bmi2,popcnt")]
    pub(super) fn next_by_avx512<U: Unit>(
        &self,
        classes: &Classes,
        text: &[U],
        mut at: usize,
        cursor: &mut Cursor,
    ) -> Option<usize> {
        let codes: &[u16; CODE_POINTS] = (&*self.codes).try_into().expect("as long as it was made");
        // The code of the character before, then those of the block.
        let mut read = [0u16; 1 + BLOCK];
        // As first and as second of a pair, noise left out; before the former the first of before.
        let mut firsts = [0u16; 1 + BLOCK + 32];
        let mut seconds = [0u16; BLOCK + 32];
        let mut places = [0u32; 16];
        // The table's last word is empty.
        let nowhere = _mm512_set1_epi32((self.bits.len() as i32 - 1) * 32);
        let shift = _mm_cvtsi32_si128(self.shift as i32);
        let (noise, outside) = (_mm512_set1_epi16(NOISE as i16), _mm512_set1_epi16(!(INSIDE as i16)));
        let stop = _mm512_set1_epi16(STOP as u16 as i16);
        let mut size = if at == 0 { BLOCK } else { SHORT };
        while at < text.len() {
            let block = &text[at..text.len().min(at + size)];
            size = BLOCK.min(size * 2);
            read[0] = cursor.raw as u16;
            let halves: &[usize] = if block.len() <= 32 { &[0] } else { &[0, 32] };
            for half in halves {
                // SAFETY: 32 elements from 1 + half lie in `read`.
                unsafe { _mm512_storeu_si512(read.as_mut_ptr().add(1 + half).cast(), noise) };
            }
            for (code, &unit) in read[1..].iter_mut().zip(block) {
                *code = match u16::try_from(unit.code_point()) {
                    Ok(basic) => codes[usize::from(basic)],
                    Err(_) => self.code(classes.get(unit.code_point())) as u16,
                };
            }
            firsts[0] = cursor.first as u16;
            let (mut count, mut stops, mut kept) = (0, 0u64, 0u64);
            for half in halves {
                // SAFETY: 32 elements from 1 + half, and from half, lie in `read`; 32 from 1 + count, and from count,
                // in `firsts` and `seconds`, as count is 32 at most.
                unsafe {
                    let code = _mm512_loadu_si512(read.as_ptr().add(1 + half).cast());
                    let before = _mm512_loadu_si512(read.as_ptr().add(*half).cast());
                    stops |= u64::from(_mm512_test_epi16_mask(code, stop)) << half;
                    let code = _mm512_andnot_si512(stop, code);
                    let first = _mm512_and_si512(code, _mm512_or_si512(before, outside));
                    let here = _mm512_cmpneq_epi16_mask(code, noise);
                    let (first, second) =
                        (_mm512_maskz_compress_epi16(here, first), _mm512_maskz_compress_epi16(here, code));
                    _mm512_storeu_si512(firsts.as_mut_ptr().add(1 + count).cast(), first);
                    _mm512_storeu_si512(seconds.as_mut_ptr().add(count).cast(), second);
                    count += here.count_ones() as usize;
                    kept |= u64::from(here) << half;
                }
            }
            let mut event = None;
            for from in (0..count).step_by(16) {
                // SAFETY: 16 elements from `from`, below 64, lie in each array.
                unsafe {
                    let first = _mm512_cvtepu16_epi32(_mm256_loadu_si256(firsts.as_ptr().add(from).cast()));
                    let second = _mm512_cvtepu16_epi32(_mm256_loadu_si256(seconds.as_ptr().add(from).cast()));
                    let place = _mm512_xor_si512(_mm512_sll_epi32(first, shift), second);
                    let left = count - from;
                    let there = if left >= 16 { 0xFFFF } else { (1 << left) - 1 };
                    _mm512_storeu_si512(places.as_mut_ptr().cast(), _mm512_mask_mov_epi32(nowhere, there, place));
                }
                let mut any = 0;
                for &place in &places {
                    // SAFETY: codes are below 2^15, as STOP is taken off, so places are below 2^(15 + shift), or nowhere.
                    any |= unsafe { *self.bits.get_unchecked(place as usize / 32) } >> (place % 32);
                }
                if any & 1 != 0 {
                    event = (from..count.min(from + 16))
                        .find(|&pair| self.begins_pattern(u32::from(firsts[pair]), u32::from(seconds[pair])));
                    if event.is_some() {
                        break;
                    }
                }
            }
            // Of the kept characters the one with that number.
            let pair = event.map(|pair| _pdep_u64(1 << pair, kept).trailing_zeros() as usize);
            let alone = self.first_stop(classes, text, at, stops, pair);
            if let Some(found) = alone.or(pair) {
                cursor.first = match event {
                    Some(event) if pair == Some(found) => u32::from(firsts[event + 1]),
                    _ => {
                        let before = (kept & ((2 << found) - 1)).count_ones() as usize;
                        u32::from(firsts[before])
                    }
                };
                cursor.raw = u32::from(read[1 + found]);
                return Some(at + found);
            }
            cursor.first = u32::from(firsts[count]);
            cursor.raw = u32::from(read[block.len()]);
            at += block.len();
        }
        None
    }

    /// The first of the marked characters, before the pair that was found, that is to be looked at by itself.
    #[inline]
    fn first_stop<U: Unit>(
        &self,
        classes: &Classes,
        text: &[U],
        at: usize,
        mut stops: u64,
        pair: Option<usize>,
    ) -> Option<usize> {
        while stops != 0 {
            let place = stops.trailing_zeros() as usize;
            if pair.is_some_and(|pair| pair <= place) {
                return None;
            }
            if self.stops_at(classes, text, at + place) {
                return Some(place);
            }
            stops &= stops - 1;
        }
        None
    }
}
