//! Arrays that a filter either owns or reads in place from a mapped file.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A constant array: owned, or a part of something that is kept alive.
pub struct Section<T: 'static> {
    /// Lies in `owner`, which is never changed nor moved out.
    array: &'static [T],
    owner: Arc<dyn Any + Send + Sync>,
}

impl<T: Send + Sync + 'static> From<Vec<T>> for Section<T> {
    fn from(array: Vec<T>) -> Self {
        let owner: Arc<Vec<T>> = Arc::new(array);
        // SAFETY: the slice lives as long as the Arc that is stored beside it; nothing hands out `&mut` to an Arc'd
        // vector, and `deref` shortens the lifetime to that of the section.
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
