//! A text that comes in pieces: what is clean or masked goes out as soon as nothing can change it any more.

use crate::filter::Filter;
use crate::scan::Scan;
use crate::sink::Leftmost;
use crate::text::Unit;

/// Masks hits in a text that comes in pieces. Give every call the same filter.
#[derive(Clone, Debug, Default)]
pub struct MaskStream {
    mask: Vec<u32>,
    scan: Scan,
    sink: Leftmost,
    /// Code points read but not given out: a partial match, or a Latin word whose end is not sure.
    held: Vec<u32>,
    /// Where `held` starts in the whole text.
    given: usize,
}

/// What a feed gives out.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// The first so many code points of the text just fed, unchanged; nothing was held before.
    Unchanged(usize),
    /// These code points.
    Changed(Vec<u32>),
}

impl MaskStream {
    /// Each code point of a hit becomes `mask`.
    #[must_use]
    pub fn new(mask: Vec<u32>) -> Self {
        Self { mask, ..Self::default() }
    }

    /// Reads on; gives out everything before the earliest match that may be under way.
    pub fn feed<U: Unit>(&mut self, filter: &Filter, text: &[U]) -> Output {
        self.scan.feed(filter, text, &mut self.sink);
        let live = self.scan.live(filter);
        crate::sink::Sink::settle(&mut self.sink, live);
        let sure = live.max(self.sink.end);
        if self.held.is_empty() && self.sink.found.is_empty() {
            let unchanged = sure - self.given;
            self.held.extend(text[unchanged..].iter().map(|unit| unit.code_point()));
            self.given = sure;
            return Output::Unchanged(unchanged);
        }
        self.held.extend(text.iter().map(|unit| unit.code_point()));
        Output::Changed(self.give_out(sure))
    }

    /// The text ends here: gives out the rest, and begins anew.
    pub fn flush(&mut self, filter: &Filter) -> Vec<u32> {
        self.scan.finish(filter, &mut self.sink);
        let rest = self.give_out(self.given + self.held.len());
        *self = Self::new(std::mem::take(&mut self.mask));
        rest
    }

    fn give_out(&mut self, sure: usize) -> Vec<u32> {
        let mut output = Vec::with_capacity(sure - self.given);
        let mut from = self.given;
        for hit in self.sink.found.drain(..) {
            output.extend_from_slice(&self.held[from - self.given..hit.start - self.given]);
            for _ in hit.start..hit.end {
                output.extend_from_slice(&self.mask);
            }
            from = hit.end;
        }
        output.extend_from_slice(&self.held[from - self.given..sure - self.given]);
        self.held.drain(..sure - self.given);
        self.given = sure;
        output
    }
}
