//! Arrays that a filter either owns or reads in place from a mapped file.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Types that any bytes are a value of, without padding.
///
/// # Safety
/// Every bit pattern must be valid, and no byte of a value may be padding.
pub unsafe trait Plain: Copy + Send + Sync + 'static {}

// SAFETY: integers.
unsafe impl Plain for u8 {}
// SAFETY: integers.
unsafe impl Plain for u16 {}
// SAFETY: integers.
unsafe impl Plain for u32 {}
// SAFETY: integers.
unsafe impl Plain for u64 {}

/// A constant array: owned, or a part of something that is kept alive.
pub struct Section<T: 'static> {
    /// Lies in `owner`.
    array: &'static [T],
    owner: Arc<dyn Any + Send + Sync>,
}

impl<T: Plain> Section<T> {
    /// The array that these bytes are, if they are aligned and a whole number of elements.
    ///
    /// # Safety
    /// `bytes` lie in what `owner` keeps alive, at a place and with a content that never change while it lives.
    pub(crate) unsafe fn mapped(bytes: &[u8], owner: Arc<dyn Any + Send + Sync>) -> Option<Self> {
        if !bytes.as_ptr().cast::<T>().is_aligned() || bytes.len() % size_of::<T>() != 0 {
            return None;
        }
        // SAFETY: aligned and long enough by the check; any bytes are values of a `Plain` type; they live as long as
        // `owner`, by the caller's promise, and `deref` shortens the lifetime to that of the section.
        let array =
            unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<T>(), bytes.len() / size_of::<T>()) };
        Some(Self { array, owner })
    }

    /// The bytes, as they are in memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: a `Plain` type has no padding, so each of its bytes is initialised.
        unsafe { std::slice::from_raw_parts(self.array.as_ptr().cast(), size_of_val(self.array)) }
    }
}

impl<T: Send + Sync + 'static> From<Vec<T>> for Section<T> {
    fn from(array: Vec<T>) -> Self {
        let owner: Arc<Vec<T>> = Arc::new(array);
        // SAFETY: the slice lives as long as the Arc that is stored beside it; nothing hands out `&mut` to the vector
        // in it, and `deref` shortens the lifetime to that of the section.
        let array = unsafe { std::slice::from_raw_parts(owner.as_ptr(), owner.len()) };
        Self { array, owner }
    }
}

impl<T> Deref for Section<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        self.array
    }
}

impl<T> Clone for Section<T> {
    fn clone(&self) -> Self {
        Self { array: self.array, owner: Arc::clone(&self.owner) }
    }
}

impl<T> fmt::Debug for Section<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Section of {}", self.array.len())
    }
}
