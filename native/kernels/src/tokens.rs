//! Tokens of `OpenAI`'s models: the encodings that the `tiktoken` crate embeds, tables and all (MIT or Apache-2.0; the
//! vocabularies are `OpenAI`'s, MIT).
//!
//! A table is unpacked when it is first asked for, and stays. Special tokens are plain text. A text is encoded as
//! UTF-8: a pair of surrogates as the character it stands for, a surrogate alone as U+FFFD, as `OpenAI`'s own does.

use std::borrow::Cow;
use std::sync::OnceLock;

use tiktoken::CoreBpe;

use crate::chunker::Measure;
use crate::text::Unit;

/// A vocabulary and its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `o200k_base`: GPT-4o and later.
    O200k,
    /// `cl100k_base`: GPT-4, GPT-3.5 and the embedding models.
    Cl100k,
}

impl Encoding {
    /// By the name that `OpenAI` gave it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "o200k_base" => Some(Self::O200k),
            "cl100k_base" => Some(Self::Cl100k),
            _ => None,
        }
    }

    fn encoder(self) -> &'static CoreBpe {
        let name = match self {
            Self::O200k => "o200k_base",
            Self::Cl100k => "cl100k_base",
        };
        tiktoken::get_encoding(name).expect("the features of this crate name both encodings")
    }

    /// The number of tokens of a text.
    #[must_use]
    pub fn count<T: Unit>(self, text: &[T]) -> usize {
        self.encoder().count(&Utf8::new(text).bytes)
    }

    /// The length of each token in bytes.
    fn lengths(self) -> &'static [u16] {
        static LENGTHS: [OnceLock<Vec<u16>>; 2] = [const { OnceLock::new() }; 2];
        LENGTHS[self as usize].get_or_init(|| {
            let encoder = self.encoder();
            (0..encoder.vocab_size() as u32).map(|token| encoder.decode(&[token]).len() as u16).collect()
        })
    }
}

/// A text as UTF-8.
struct Utf8 {
    bytes: String,
    /// Where the bytes of each code point start, and the end; empty if every code point is one byte.
    starts: Vec<usize>,
}

impl Utf8 {
    fn new<T: Unit>(text: &[T]) -> Self {
        let mut bytes = String::with_capacity(text.len());
        if text.iter().all(|unit| unit.code_point() < 0x80) {
            bytes.extend(text.iter().map(|unit| unit.code_point() as u8 as char));
            return Self { bytes, starts: Vec::new() };
        }
        let mut starts = Vec::with_capacity(text.len() + 1);
        let mut at = 0;
        while at < text.len() {
            starts.push(bytes.len());
            let point = text[at].code_point();
            let low = text.get(at + 1).map_or(0, |unit| unit.code_point());
            let is_pair = matches!((point, low), (0xd800..0xdc00, 0xdc00..0xe000));
            let point = if is_pair { 0x1_0000 + ((point - 0xd800) << 10) + (low - 0xdc00) } else { point };
            bytes.push(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
            if is_pair {
                starts.push(bytes.len());
            }
            at += if is_pair { 2 } else { 1 };
        }
        starts.push(bytes.len());
        Self { bytes, starts }
    }

    /// A part as it is encoded by itself: what is left of a pair of surrogates that was cut is U+FFFD.
    fn slice(&self, start: usize, stop: usize) -> Cow<'_, str> {
        if self.starts.is_empty() {
            return Cow::Borrowed(&self.bytes[start..stop]);
        }
        let (cut_before, cut_behind) = (self.is_second_half(start), self.is_second_half(stop));
        let end = if cut_behind { self.starts[stop - 1] } else { self.starts[stop] };
        let whole = &self.bytes[self.starts[start].min(end)..end];
        if !cut_before && !cut_behind {
            return Cow::Borrowed(whole);
        }
        let half = |is_cut| if is_cut { "\u{FFFD}" } else { "" };
        Cow::Owned([half(cut_before), whole, half(cut_behind)].concat())
    }

    /// Whether a pair of surrogates starts before a place and ends behind it: its second half has no bytes of its own.
    fn is_second_half(&self, place: usize) -> bool {
        self.starts.get(place + 1).is_some_and(|&next| next == self.starts[place])
    }
}

/// A text that was encoded once: how many tokens lie between two places is a difference, right but for the tokens that
/// a cut would change. So what is cut is counted again.
pub(crate) struct Tokens {
    encoding: Encoding,
    limit: usize,
    utf8: Utf8,
    /// The code point in which each token starts.
    starts: Vec<usize>,
    length: usize,
}

impl Tokens {
    pub fn new<T: Unit>(text: &[T], encoding: Encoding, limit: usize) -> Self {
        let utf8 = Utf8::new(text);
        let lengths = encoding.lengths();
        let tokens = encoding.encoder().encode(&utf8.bytes);
        let mut starts = Vec::with_capacity(tokens.len());
        let (mut byte, mut point) = (0, 0);
        for token in tokens {
            while utf8.starts.get(point + 1).is_some_and(|&next| next <= byte) {
                point += 1;
            }
            starts.push(if utf8.starts.is_empty() { byte } else { point });
            byte += usize::from(lengths[token as usize]);
        }
        Self { encoding, limit, utf8, starts, length: text.len() }
    }
}

impl Measure for Tokens {
    fn limit(&self) -> usize {
        self.limit
    }

    fn reach(&self, from: usize, amount: usize) -> usize {
        let token = self.starts.partition_point(|&start| start < from);
        self.starts.get(token.saturating_add(amount)).copied().unwrap_or(self.length)
    }

    fn back(&self, to: usize, amount: usize) -> usize {
        let token = self.starts.partition_point(|&start| start < to);
        self.starts.get(token.saturating_sub(amount)).copied().unwrap_or(0)
    }

    fn excess(&mut self, start: usize, stop: usize, amount: usize) -> usize {
        let text = self.utf8.slice(start, stop);
        // No token is shorter than a byte.
        if text.len() <= amount { 0 } else { self.encoding.encoder().count(&text).saturating_sub(amount) }
    }
}
