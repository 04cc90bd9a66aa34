//! Python module `xiaoer_native`: translates between Python and the kernels, and nothing more.

use pyo3::prelude::*;

mod chunker;
mod compiled;
mod errors;
mod fastcall;
mod filter;
mod matches;
#[cfg(xiaoer_planted_bug)]
mod planted;
mod pystr;
mod sections;
mod tokens;

// Its objects rely on the GIL: see `compiled`.
#[pymodule(gil_used = true)]
fn xiaoer_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // For those who want to know what the instructions are worth.
    if std::env::var_os("XIAOER_SIMD").is_some_and(|value| value == "off") {
        xiaoer_kernels::cpu::use_portable();
    }
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("profile", if cfg!(debug_assertions) { "debug" } else { "release" })?;
    module.add_function(wrap_pyfunction!(cpu_features, module)?)?;
    filter::register(module)?;
    module.add_class::<matches::Match>()?;
    module.add_function(wrap_pyfunction!(fastcall::speed_up, module)?)?;
    chunker::register(module)?;
    #[cfg(xiaoer_planted_bug)]
    planted::register(module)?;
    tokens::register(module)?;
    Ok(())
}

/// Names of the instruction sets, beyond the architecture's base, that this CPU has and the kernels use.
#[pyfunction]
fn cpu_features() -> Vec<&'static str> {
    if xiaoer_kernels::cpu::is_portable() { Vec::new() } else { vec!["avx2", "bmi1", "bmi2"] }
}
