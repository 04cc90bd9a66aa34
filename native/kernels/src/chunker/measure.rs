//! What a limit counts.

/// Counts a text in one unit: code points or tokens.
///
/// `reach` and `back` may be wrong by a little, as where the tokens of a part are not those of the whole; `excess`
/// never is.
pub(crate) trait Measure {
    /// The most that a chunk may count.
    fn limit(&self) -> usize;
    /// The last place up to which the text from `from` counts no more than `amount`.
    fn reach(&self, from: usize, amount: usize) -> usize;
    /// The first place from which the text up to `to` counts no more than `amount`.
    fn back(&self, to: usize, amount: usize) -> usize;
    /// By how much the text between two places, taken alone, counts more than `amount`.
    fn excess(&mut self, start: usize, stop: usize, amount: usize) -> usize;

    /// Whether the text between two places, taken alone, is within the limit.
    fn fits(&mut self, start: usize, stop: usize) -> bool {
        self.excess(start, stop, self.limit()) == 0
    }
}

/// Code points.
pub(crate) struct Chars {
    pub limit: usize,
    pub length: usize,
}

impl Measure for Chars {
    #[inline]
    fn limit(&self) -> usize {
        self.limit
    }

    #[inline]
    fn reach(&self, from: usize, amount: usize) -> usize {
        self.length.min(from + amount)
    }

    #[inline]
    fn back(&self, to: usize, amount: usize) -> usize {
        to.saturating_sub(amount)
    }

    #[inline]
    fn excess(&mut self, start: usize, stop: usize, amount: usize) -> usize {
        (stop - start).saturating_sub(amount)
    }
}
