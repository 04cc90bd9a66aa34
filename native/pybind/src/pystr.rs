//! Python's `str`, read where it lies and written at once. The only file that knows PEP 393.

// Py_ssize_t and usize: a live object's length fits both.
#![allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// The characters of a `str` in the width it is stored in. Valid while the borrowed object lives: a `str` is immutable.
#[derive(Clone, Copy)]
pub enum Text<'a> {
    /// Every code point is below U+0100.
    Ucs1(&'a [u8]),
    /// Every code point is below U+10000.
    Ucs2(&'a [u16]),
    /// Anything.
    Ucs4(&'a [u32]),
}

impl Text<'_> {
    /// Characters.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Ucs1(units) => units.len(),
            Self::Ucs2(units) => units.len(),
            Self::Ucs4(units) => units.len(),
        }
    }
}

/// Runs one generic expression on whichever width a [`Text`] has.
#[macro_export]
macro_rules! with_units {
    ($text:expr, $units:ident => $body:expr) => {
        match $text {
            $crate::pystr::Text::Ucs1($units) => $body,
            $crate::pystr::Text::Ucs2($units) => $body,
            $crate::pystr::Text::Ucs4($units) => $body,
        }
    };
}

/// Views a `str` (or an instance of a subclass) without copying it.
#[inline]
pub fn view<'a>(string: &'a Bound<'_, PyString>) -> Text<'a> {
    let object = string.as_ptr();
    // SAFETY: `object` is a `str` (PyO3 checked the type), so its header, length and data are where CPython's own
    // accessors look. From 3.12 on every `str` is ready; in 3.11 one that a C extension left unready has kind 0 and
    // ends in the panic below. The result borrows `string`, which keeps the object alive, and a `str` that others
    // can see never changes.
    unsafe {
        debug_assert!(ffi::PyUnicode_Check(object) != 0);
        debug_assert!(string.len().is_ok_and(|length| length as isize == ffi::PyUnicode_GET_LENGTH(object)));
        let length = ffi::PyUnicode_GET_LENGTH(object) as usize;
        let data = ffi::PyUnicode_DATA(object);
        match ffi::PyUnicode_KIND(object) {
            ffi::PyUnicode_1BYTE_KIND => Text::Ucs1(std::slice::from_raw_parts(data.cast(), length)),
            ffi::PyUnicode_2BYTE_KIND => Text::Ucs2(std::slice::from_raw_parts(data.cast(), length)),
            ffi::PyUnicode_4BYTE_KIND => Text::Ucs4(std::slice::from_raw_parts(data.cast(), length)),
            kind => unreachable!("PEP 393 knows the kinds 1, 2 and 4, not {kind}"),
        }
    }
}

/// A new `str` of these code points, stored in the narrowest width that holds them.
///
/// Raises `MemoryError` or `SystemError` as `CPython` does; code points must be below `0x11_0000`.
pub fn build<'py>(py: Python<'py>, code_points: &[u32]) -> PyResult<Bound<'py, PyString>> {
    debug_assert!(code_points.iter().all(|&c| c < 0x11_0000));
    // SAFETY: the pointer and length are those of a live slice of 4-byte units, which is what the kind says. CPython
    // copies out of it before it returns. The result is a new reference or null with an exception set.
    unsafe {
        let made = ffi::PyUnicode_FromKindAndData(
            ffi::PyUnicode_4BYTE_KIND as i32,
            code_points.as_ptr().cast(),
            code_points.len() as isize,
        );
        Ok(Bound::from_owned_ptr_or_err(py, made)?.cast_into_unchecked())
    }
}

/// `string[start:end]` by code points; the object itself if that is all of it.
pub fn slice<'py>(string: &Bound<'py, PyString>, start: usize, end: usize) -> PyResult<Bound<'py, PyString>> {
    debug_assert!(start <= end);
    // SAFETY: `string` is a live `str`; PyUnicode_Substring checks the range against its length. The result is a new
    // reference to a `str`, or null with an exception set.
    unsafe {
        let made = ffi::PyUnicode_Substring(string.as_ptr(), start as isize, end as isize);
        Ok(Bound::from_owned_ptr_or_err(string.py(), made)?.cast_into_unchecked())
    }
}

/// `string[start:end]` by code points, always a new `str` unless it is empty or all of a plain one.
///
/// `PyUnicode_Substring` for the lengths of chunks: what width the part needs is seen many characters at a time, and
/// mostly from the first few, so that the rest is one copy.
pub fn part<'py>(string: &Bound<'py, PyString>, start: usize, end: usize) -> PyResult<Bound<'py, PyString>> {
    fn copy<'py, T: Copy>(py: Python<'py>, units: &[T], largest: u32) -> PyResult<Bound<'py, PyString>> {
        // SAFETY: a new `str` of so many units of the kind that `largest` asks for, which is that of `T`, as the
        // callers below see to; nobody else has it yet, and the units do not overlap it. Its data are as long as the
        // slice, and CPython has put the final null there. Null comes with an exception set.
        unsafe {
            let made = Bound::from_owned_ptr_or_err(py, ffi::PyUnicode_New(units.len() as isize, largest))?;
            debug_assert_eq!(ffi::PyUnicode_KIND(made.as_ptr()) as usize, size_of::<T>());
            let data = ffi::PyUnicode_DATA(made.as_ptr()).cast::<T>();
            std::ptr::copy_nonoverlapping(units.as_ptr(), data, units.len());
            Ok(made.cast_into_unchecked())
        }
    }
    let py = string.py();
    match view(string) {
        Text::Ucs1(units) if end - start > 1 && end - start < units.len() => {
            let units = &units[start..end];
            copy(py, units, if units.is_ascii() { 0x7f } else { 0xff })
        }
        Text::Ucs2(units) if end - start > 1 && end - start < units.len() => {
            let units = &units[start..end];
            let is_wide = units.chunks(64).any(|block| block.iter().fold(0, |all, &unit| all | unit) > 0xff);
            if is_wide { copy(py, units, 0xffff) } else { slice(string, start, end) }
        }
        _ => slice(string, start, end),
    }
}
