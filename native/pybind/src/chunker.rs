//! The chunker, translated. Arguments are checked by `xiaoer.chunker.Chunker`.

// Py_ssize_t and usize: a list is no longer than its text.
#![allow(clippy::cast_possible_wrap)]

use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use xiaoer_kernels::chunker::{self, Count};

use crate::pystr::{part, view};
use crate::tokens::encoding_named;
use crate::with_units;

/// From so many characters on others may run meanwhile; giving the lock away and getting it back costs about 0.1 µs.
const LARGE: usize = 64 * 1024;

#[pyclass(module = "xiaoer_native", frozen)]
struct Chunker {
    kernel: chunker::Chunker,
}

impl Chunker {
    fn find(&self, text: &Bound<'_, PyString>) -> Vec<(usize, usize)> {
        with_units!(view(text), units => {
            if units.len() < LARGE {
                self.kernel.spans(units)
            } else {
                // `text` is borrowed from the caller, so it outlives this call, and a `str` does not change.
                text.py().detach(|| self.kernel.spans(units))
            }
        })
    }
}

#[pymethods]
impl Chunker {
    /// `encoding`: that of the tokens to count; none to count characters.
    #[new]
    fn new(limit: usize, overlap: usize, encoding: Option<&str>) -> PyResult<Self> {
        if overlap >= limit {
            return Err(PyValueError::new_err("the overlap must be below the limit"));
        }
        let count = encoding.map_or(Ok(Count::Chars), |name| encoding_named(name).map(Count::Tokens))?;
        Ok(Self { kernel: chunker::Chunker::new(limit, overlap, count) })
    }

    fn spans<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyList>> {
        let spans = self.find(text);
        pairs(text.py(), &spans)
    }

    fn split<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyList>> {
        let spans = self.find(text);
        list(text.py(), spans.len(), |number| {
            let (start, end) = spans[number];
            part(text, start, end).map(Bound::into_any)
        })
    }
}

/// `list[tuple[int, int]]`. A number that ends one pair and starts the next is one object.
fn pairs<'py>(py: Python<'py>, spans: &[(usize, usize)]) -> PyResult<Bound<'py, PyList>> {
    let mut before: (usize, Bound<'py, PyAny>) = (0, int(py, 0)?);
    list(py, spans.len(), |number| {
        let (start, end) = spans[number];
        let first = if before.0 == start { before.1.clone() } else { int(py, start)? };
        let second = int(py, end)?;
        before = (end, second.clone());
        // SAFETY: the tuple is new and of two items, so nobody else sees it and each item is set once; it takes over
        // the two references. A failed allocation is null with an exception set.
        unsafe {
            let pair = Bound::from_owned_ptr_or_err(py, ffi::PyTuple_New(2))?;
            ffi::PyTuple_SET_ITEM(pair.as_ptr(), 0, first.into_ptr());
            ffi::PyTuple_SET_ITEM(pair.as_ptr(), 1, second.into_ptr());
            Ok(pair)
        }
    })
}

fn int(py: Python<'_>, value: usize) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyLong_FromSize_t(value)) }
}

/// A list of so many items, allocated once.
fn list<'py>(
    py: Python<'py>,
    length: usize,
    mut item: impl FnMut(usize) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    // SAFETY: the list is new; each of its `length` places is set once, to a reference that it takes over. Should an
    // item fail, the list is dropped with null in the places left, which its deallocation allows.
    unsafe {
        let made = Bound::from_owned_ptr_or_err(py, ffi::PyList_New(length as isize))?;
        for number in 0..length {
            ffi::PyList_SET_ITEM(made.as_ptr(), number as isize, item(number)?.into_ptr());
        }
        Ok(made.cast_into_unchecked())
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Chunker>()
}
