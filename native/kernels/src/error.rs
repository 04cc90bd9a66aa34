//! What the kernels refuse. Kinds stay opaque; the message is what people read.

use std::fmt;

/// The longest word or allowed text, in code points. Bounds what a stream may have to hold back.
pub const LONGEST_WORD: usize = 1_000;

/// A word or an allowed text that no filter can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidWord(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Empty,
    TooLong(usize),
}

impl InvalidWord {
    pub(crate) fn empty() -> Self {
        Self(Kind::Empty)
    }

    pub(crate) fn too_long(length: usize) -> Self {
        Self(Kind::TooLong(length))
    }
}

impl fmt::Display for InvalidWord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Empty => formatter.write_str("a word is empty"),
            Kind::TooLong(length) => {
                write!(formatter, "a word has {length} characters; {LONGEST_WORD} are the most")
            }
        }
    }
}

impl std::error::Error for InvalidWord {}
