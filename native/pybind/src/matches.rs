//! `Match`: a hit, as cheap to make as an object can be.

use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

/// A hit: `text[start:end]`, in code points of the original text, and the `Word` that was found there.
#[pyclass(frozen, freelist = 1024, get_all, module = "xiaoer")]
pub struct Match {
    pub start: usize,
    pub end: usize,
    pub word: Py<PyAny>,
}

#[pymethods]
impl Match {
    #[new]
    fn new(start: usize, end: usize, word: Py<PyAny>) -> Self {
        Self { start, end, word }
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("start", "end", "word")
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let Ok(other) = other.cast::<Self>() else { return Ok(py.NotImplemented()) };
        let other = other.get();
        let same = self.start == other.start && self.end == other.end && self.word.bind(py).eq(&other.word)?;
        Ok(pyo3::types::PyBool::new(py, same).to_owned().into_any().unbind())
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        (self.start, self.end, self.word.bind(py)).into_pyobject(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Match(start={}, end={}, word={})", self.start, self.end, self.word.bind(py).repr()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let this = slf.get();
        Ok((slf.get_type(), (this.start, this.end, this.word.bind(py)).into_pyobject(py)?))
    }
}
