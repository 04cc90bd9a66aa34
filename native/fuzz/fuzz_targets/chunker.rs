//! The chunker's promises: nothing lost, nothing over the limit, no cluster cut that fits, the same in every width.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xiaoer_fuzz::clusters;
use xiaoer_fuzz::kernel::narrowed;
use xiaoer_kernels::chunker::{Chunker, Count};
use xiaoer_kernels::tokens::Encoding;

const LONGEST_TEXT: usize = 600;

/// Texts up to this length are also cut at every limit up to [`SMALL_LIMITS`], where clusters are in the way.
const SHORT_TEXT: usize = 48;
const SMALL_LIMITS: usize = 9;

/// Texts up to this length are also cut by tokens, which takes longer.
const TOKENS_TEXT: usize = 150;

/// Bytes below this are a piece of [`PIECES`], three bytes for each; then come control characters, then code points.
const CONTROLS: u8 = 222;
const CODE_POINTS: u8 = 0xF0;

/// What the rules look at.
const PIECES: [&str; 74] = [
    "你好",
    "订单",
    "カナ",
    "word",
    "Word",
    "foo bar",
    "é",
    "привет",
    "한국어",
    "。",
    "！",
    "？",
    "；",
    "，",
    "、",
    "：",
    "——",
    "……",
    "।",
    ". ",
    ".",
    "! ",
    "?",
    ", ",
    "“",
    "”",
    "（",
    "）",
    "(",
    ")",
    "'",
    "%",
    "e.g.",
    "Mr. ",
    "No. 5",
    "3.14",
    "12:30",
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "\u{b}",
    "\u{85}",
    "\u{2028}",
    " ",
    "  ",
    "\t",
    "\u{3000}",
    "# ",
    "\n## H\n",
    "- ",
    "\n- ",
    "1. ",
    "\n2) ",
    "一、",
    "①",
    "```\n",
    "\n```\n",
    "````\n",
    "~~~\n",
    "|a|b|\n",
    "|---|:-:|\n",
    "|",
    "\u{301}",
    "\u{200d}",
    "👨\u{200d}👩\u{200d}👧",
    "👍🏽",
    "🇨🇳",
    "🇨",
    "\u{600}",
    "क",
    "\u{94d}",
    "ᄀ",
    "각",
];

fuzz_target!(|data: &[u8]| {
    let Some((&[limit, overlap], bytes)) = data.split_first_chunk() else { return };
    let limit = usize::from(limit) % 90 + 1;
    let overlap = usize::from(overlap) % limit;
    let text = read(bytes);
    check(&text, limit, 0);
    check(&text, limit, overlap);
    if text.len() <= SHORT_TEXT {
        (1..=SMALL_LIMITS).for_each(|limit| check(&text, limit, 0));
    }
    if text.len() <= TOKENS_TEXT {
        check_tokens(&text, [Encoding::O200k, Encoding::Cl100k][text.len() % 2], limit, overlap);
    }
});

fn read(mut bytes: &[u8]) -> Vec<u32> {
    let mut text = Vec::new();
    while let Some((&byte, after)) = bytes.split_first() {
        bytes = after;
        if byte < CONTROLS {
            text.extend(PIECES[usize::from(byte) % PIECES.len()].chars().map(u32::from));
        } else if byte < CODE_POINTS {
            text.push(u32::from(byte - CONTROLS));
        } else if let Some((&[high, middle, low], after)) = bytes.split_first_chunk() {
            bytes = after;
            text.push(u32::from_be_bytes([0, high, middle, low]) % 0x11_0000);
        }
        if text.len() > LONGEST_TEXT {
            break;
        }
    }
    text
}

fn check(text: &[u32], limit: usize, overlap: usize) {
    let chunker = Chunker::new(limit, overlap, Count::Chars);
    let spans = chunker.spans(text);
    check_spans(text, limit, overlap, &spans);
    if let Some(text) = narrowed::<u16>(text) {
        assert_eq!(chunker.spans(&text), spans, "in 2 bytes: limit {limit}, overlap {overlap}, {text:x?}");
    }
    if let Some(text) = narrowed::<u8>(text) {
        assert_eq!(chunker.spans(&text), spans, "in 1 byte: limit {limit}, overlap {overlap}, {text:x?}");
    }
}

fn check_spans(text: &[u32], limit: usize, overlap: usize, spans: &[(usize, usize)]) {
    let case = || format!("limit {limit}, overlap {overlap}, {text:x?} gave {spans:?}");
    if text.is_empty() {
        assert!(spans.is_empty(), "{}", case());
        return;
    }
    check_whole(text, spans, case);
    for &(start, end) in spans {
        assert!(end - start <= limit, "over the limit: {}", case());
    }
    for pair in spans.windows(2) {
        assert!(pair[0].1 - pair[1].0 <= overlap, "more repeated than asked for: {}", case());
    }
    let borders = spans.iter().flat_map(|&(start, end)| [start, end]).collect::<Vec<_>>();
    let mut from = 0;
    for to in clusters::ends(text) {
        let cut = borders.iter().any(|&border| from < border && border < to);
        assert!(!cut || to - from > limit, "the cluster {from}..{to} is cut: {}", case());
        from = to;
    }
}

/// By tokens every chunk is counted anew; one over the limit is a single code point.
fn check_tokens(text: &[u32], encoding: Encoding, limit: usize, overlap: usize) {
    let spans = Chunker::new(limit, overlap, Count::Tokens(encoding)).spans(text);
    let case = || format!("{limit} tokens of {encoding:?}, overlap {overlap}, {text:x?} gave {spans:?}");
    if text.is_empty() {
        assert!(spans.is_empty(), "{}", case());
        return;
    }
    check_whole(text, &spans, case);
    for &(start, end) in &spans {
        let fits = encoding.count(&text[start..end]) <= limit || end - start == 1;
        assert!(fits, "{start}..{end} is over the limit: {}", case());
    }
    for pair in spans.windows(2) {
        let repeated = encoding.count(&text[pair[1].0..pair[0].1]);
        assert!(repeated <= overlap, "{repeated} tokens are repeated: {}", case());
    }
    if let Some(text) = narrowed::<u16>(text) {
        let narrow = Chunker::new(limit, overlap, Count::Tokens(encoding)).spans(&text);
        assert_eq!(narrow, spans, "in 2 bytes: {}", case());
    }
}

/// Nothing is lost, and every chunk goes further than the one before.
fn check_whole(text: &[u32], spans: &[(usize, usize)], case: impl Fn() -> String) {
    assert_eq!((spans[0].0, spans[spans.len() - 1].1), (0, text.len()), "{}", case());
    assert!(spans.iter().all(|&(start, end)| start < end), "an empty chunk: {}", case());
    for pair in spans.windows(2) {
        let ((start, end), (next, next_end)) = (pair[0], pair[1]);
        assert!(start < next && end < next_end, "no progress: {}", case());
        assert!(next <= end, "characters lost: {}", case());
    }
}
