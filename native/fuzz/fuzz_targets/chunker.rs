//! The chunker's promises: nothing lost, nothing over the limit, no cluster cut that fits, the same in every width.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xiaoer_fuzz::clusters;
use xiaoer_fuzz::kernel::narrowed;
use xiaoer_kernels::chunker::Chunker;

const LONGEST_TEXT: usize = 600;

/// What the rules look at. A byte below their number is one of these, a higher one says how the next are read.
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
    for overlap in [0, overlap] {
        let spans = Chunker::new(limit, overlap).spans(&text);
        check(&text, limit, overlap, &spans);
        if let Some(text) = narrowed::<u16>(&text) {
            assert_eq!(Chunker::new(limit, overlap).spans(&text), spans, "in 2 bytes");
        }
        if let Some(text) = narrowed::<u8>(&text) {
            assert_eq!(Chunker::new(limit, overlap).spans(&text), spans, "in 1 byte");
        }
    }
});

fn read(mut bytes: &[u8]) -> Vec<u32> {
    let mut text = Vec::new();
    while let Some((&byte, after)) = bytes.split_first() {
        bytes = after;
        if let Some(piece) = PIECES.get(usize::from(byte)) {
            text.extend(piece.chars().map(u32::from));
        } else if byte < 0xF0 {
            text.push(u32::from(byte) - 74);
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

fn check(text: &[u32], limit: usize, overlap: usize, spans: &[(usize, usize)]) {
    let case = || format!("limit {limit}, overlap {overlap}, {text:x?} gave {spans:?}");
    if text.is_empty() {
        assert!(spans.is_empty(), "{}", case());
        return;
    }
    assert_eq!((spans[0].0, spans[spans.len() - 1].1), (0, text.len()), "{}", case());
    for &(start, end) in spans {
        assert!(start < end && end - start <= limit, "over the limit or empty: {}", case());
    }
    for pair in spans.windows(2) {
        let ((start, end), (next, next_end)) = (pair[0], pair[1]);
        assert!(start < next && end < next_end, "no progress: {}", case());
        assert!(next <= end, "characters lost: {}", case());
        assert!(end - next <= overlap, "more repeated than asked for: {}", case());
    }
    let borders = spans.iter().flat_map(|&(start, end)| [start, end]).collect::<Vec<_>>();
    let mut from = 0;
    for to in clusters::ends(text) {
        let cut = borders.iter().any(|&border| from < border && border < to);
        assert!(!cut || to - from > limit, "the cluster {from}..{to} is cut: {}", case());
        from = to;
    }
}
