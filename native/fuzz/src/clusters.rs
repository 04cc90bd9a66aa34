//! Grapheme clusters by another's implementation, with surrogates added.

use unicode_segmentation::UnicodeSegmentation;

/// Ends of the grapheme clusters of a text: UAX #29; a high surrogate and the low one after it are one cluster, any
/// other surrogate is one alone.
#[must_use]
pub fn ends(text: &[u32]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let run: String = text[at..].iter().map_while(|&c| char::from_u32(c)).collect();
        if run.is_empty() {
            let pair = matches!(text[at..], [0xD800..=0xDBFF, 0xDC00..=0xDFFF, ..]);
            at += if pair { 2 } else { 1 };
            ends.push(at);
        }
        for cluster in run.graphemes(true) {
            at += cluster.chars().count();
            ends.push(at);
        }
    }
    ends
}
