//! The chunker, translated. Arguments are checked by `xiaoer.chunker.Chunker`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use xiaoer_kernels::chunker;

use crate::pystr::{slice, view};
use crate::with_units;

#[pyclass(module = "xiaoer_native", frozen)]
struct Chunker {
    kernel: chunker::Chunker,
}

impl Chunker {
    fn find(&self, text: &Bound<'_, PyString>) -> Vec<(usize, usize)> {
        with_units!(view(text), units => self.kernel.spans(units))
    }
}

#[pymethods]
impl Chunker {
    #[new]
    fn new(limit: usize, overlap: usize) -> PyResult<Self> {
        if overlap >= limit {
            return Err(PyValueError::new_err("the overlap must be below the limit"));
        }
        Ok(Self { kernel: chunker::Chunker::new(limit, overlap) })
    }

    fn spans(&self, text: &Bound<'_, PyString>) -> Vec<(usize, usize)> {
        self.find(text)
    }

    fn split<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyList>> {
        let chunks: Vec<_> = self
            .find(text)
            .into_iter()
            .map(|(start, end)| slice(text, start, end))
            .collect::<PyResult<_>>()?;
        PyList::new(text.py(), chunks)
    }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Chunker>()
}
