//! What a text is to the kernels: code points in one of `CPython`'s three widths, lone surrogates included.

/// One stored character: `u8` (Latin-1), `u16` (BMP) or `u32`. The value is the code point itself, never UTF-16.
pub trait Unit: Copy + Default + 'static {
    /// The code point.
    fn code_point(self) -> u32;
}

impl Unit for u8 {
    #[inline]
    fn code_point(self) -> u32 {
        u32::from(self)
    }
}

impl Unit for u16 {
    #[inline]
    fn code_point(self) -> u32 {
        u32::from(self)
    }
}

impl Unit for u32 {
    #[inline]
    fn code_point(self) -> u32 {
        self
    }
}
