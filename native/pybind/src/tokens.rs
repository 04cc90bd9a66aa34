//! Counting tokens, translated.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use xiaoer_kernels::tokens::Encoding;

use crate::pystr::view;
use crate::with_units;

/// From so many characters on others may run meanwhile.
const LARGE: usize = 4 * 1024;

pub fn encoding_named(name: &str) -> PyResult<Encoding> {
    Encoding::named(name).ok_or_else(|| PyValueError::new_err(format!("no encoding is named {name:?}")))
}

#[pyfunction]
fn count_tokens(text: &Bound<'_, PyString>, encoding: &str) -> PyResult<usize> {
    let encoding = encoding_named(encoding)?;
    Ok(with_units!(view(text), units => {
        if units.len() < LARGE {
            encoding.count(units)
        } else {
            // `text` is borrowed from the caller, so it outlives this call, and a `str` does not change.
            text.py().detach(|| encoding.count(units))
        }
    }))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(count_tokens, module)?)
}
