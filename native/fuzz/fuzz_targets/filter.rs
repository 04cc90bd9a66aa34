//! The filter against brute force: hits in every width, and streams cut anywhere.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xiaoer_fuzz::brute::Brute;
use xiaoer_fuzz::case::{Case, Text};
use xiaoer_fuzz::kernel::{Hit, Kernel, narrowed};

/// So many cuts of a text are tried one by one, beside those that the input asks for.
const ALL_CUTS: usize = 24;

fuzz_target!(|data: &[u8]| {
    if let Some(case) = Case::read(data) {
        let keys = case.keys();
        let characters = case.settings.characters();
        let index = |word: &[u32]| {
            let key = characters.key(word)?;
            keys.binary_search_by(|(other, _)| other.cmp(&key)).ok()
        };
        let kernel = Kernel::build(case.settings, &case.words, &case.allowed, index);
        for text in &case.texts {
            check(&case, &keys, &kernel, text);
        }
    }
});

fn check(case: &Case, keys: &[(Vec<u32>, bool)], kernel: &Kernel, text: &Text) {
    let up_to = |end| Brute::new(case.settings, keys, &text.whole[..end]);
    let brute = up_to(text.whole.len());
    let all = brute.find_overlapping();
    let first = brute.leftmost_longest(all.clone());
    let expected = (!all.is_empty(), first.clone(), all);

    assert_eq!(kernel.scan(&text.whole), expected, "in 4 bytes: {text:x?} of {case:x?}");
    if let Some(units) = narrowed::<u16>(&text.whole) {
        assert_eq!(kernel.scan(&units), expected, "in 2 bytes: {text:x?} of {case:x?}");
    }
    if let Some(units) = narrowed::<u8>(&text.whole) {
        assert_eq!(kernel.scan(&units), expected, "in 1 byte: {text:x?} of {case:x?}");
    }

    for mask in [&[0x2A][..], &[], &[0x1_F600, 0x2A]] {
        let given = kernel.stream(mask, &text.pieces());
        assert_eq!(given.concat(), masked(&text.whole, &first, mask), "as a stream: {text:x?} of {case:x?}");
        if mask.len() == 1 && !case.settings.repeats {
            check_held_back(case, text, &given, up_to);
        }
    }
    for cut in 0..text.whole.len().min(ALL_CUTS) {
        let (before, after) = text.whole.split_at(cut);
        let given = kernel.stream(&[0x2A], &[before, after]).concat();
        assert_eq!(given, masked(&text.whole, &first, &[0x2A]), "cut at {cut}: {text:x?} of {case:x?}");
    }
}

/// No character is held back that nothing to come could change, and none given out too early.
fn check_held_back<'a>(case: &Case, text: &Text, given: &[Vec<u32>], up_to: impl Fn(usize) -> Brute<'a>) {
    let mut given_out = 0;
    for (piece, end) in text.cuts.iter().copied().chain([text.whole.len()]).enumerate() {
        given_out += given[piece].len();
        let brute = up_to(end);
        let growing = brute.partial_start();
        let hits = brute.leftmost_longest(brute.find_overlapping());
        let settled = hits.iter().filter(|hit| hit.0 < growing).map(|hit| hit.1).max().unwrap_or(0);
        assert_eq!(given_out, growing.max(settled), "given out of the first {end} of {text:x?} of {case:x?}");
    }
}

fn masked(text: &[u32], hits: &[Hit], mask: &[u32]) -> Vec<u32> {
    let mut output = Vec::new();
    let mut from = 0;
    for &(start, end, _) in hits {
        output.extend_from_slice(&text[from..start]);
        output.extend((start..end).flat_map(|_| mask));
        from = end;
    }
    output.extend_from_slice(&text[from..]);
    output
}
