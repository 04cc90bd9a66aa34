//! The kernels' errors as Python exceptions: the one place that maps them.

use pyo3::prelude::*;
use xiaoer_kernels::error::InvalidWord;

mod python {
    pyo3::import_exception!(xiaoer.errors, InvalidWord);
}

/// `xiaoer.errors.InvalidWord`, with the kernel's message.
pub fn invalid_word(error: &InvalidWord) -> PyErr {
    python::InvalidWord::new_err(error.to_string())
}
