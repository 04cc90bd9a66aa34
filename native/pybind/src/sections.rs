//! The arrays of a saved filter, in a buffer that Python mapped.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use xiaoer_kernels::filter::{Filter, Options};
use xiaoer_kernels::saved::Reader;

/// A read-only buffer and where the arrays lie in it: `(buffer, {name: (offset, length)})` in Python.
pub(crate) struct Sections {
    buffer: PyBuffer<u8>,
    places: HashMap<String, (usize, usize)>,
}

impl<'py> FromPyObject<'_, 'py> for Sections {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (buffer, places): (PyBuffer<u8>, HashMap<String, (usize, usize)>) = object.extract()?;
        if !buffer.readonly() || !buffer.is_c_contiguous() {
            return Err(PyValueError::new_err("a saved filter is read from a read-only buffer"));
        }
        Ok(Self { buffer, places })
    }
}

impl Sections {
    /// The filter with so many words. Raises `ValueError` if the arrays are not those of one.
    pub(crate) fn filter(self, options: Options, words: usize) -> PyResult<Filter> {
        let Self { buffer, places } = self;
        let (start, length) = (buffer.buf_ptr().cast::<u8>().cast_const(), buffer.len_bytes());
        let owner: Arc<dyn Any + Send + Sync> = Arc::new(buffer);
        let bytes: &[u8] = if length == 0 {
            &[]
        } else {
            // SAFETY: the buffer is contiguous, and exported until `owner` is dropped. `xiaoer._saved` gives a mapped
            // file, which `save` put in place whole and replaces, but never writes to.
            unsafe { std::slice::from_raw_parts(start, length) }
        };
        let find = |name: &str| {
            let &(offset, length) = places.get(name)?;
            bytes.get(offset..offset.checked_add(length)?)
        };
        // SAFETY: everything that `find` gives lies in the buffer, which `owner` keeps.
        let reader = unsafe { Reader::new(&find, owner) };
        Filter::from_sections(options, words, &reader)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }
}
