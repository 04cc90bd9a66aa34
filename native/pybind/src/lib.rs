//! Python module `xiaoer_native`: translates between Python and the kernels, and nothing more.

use pyo3::prelude::*;

mod chunker;
mod errors;
mod filter;
mod pystr;

#[pymodule]
fn xiaoer_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("profile", if cfg!(debug_assertions) { "debug" } else { "release" })?;
    filter::register(module)?;
    chunker::register(module)?;
    Ok(())
}
