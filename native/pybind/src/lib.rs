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

#[pymodule]
fn xiaoer_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
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

/// Names of the instruction sets, beyond the architecture's base, that this CPU has and the kernels know.
#[pyfunction]
fn cpu_features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let known = [
        ("sse4.2", std::arch::is_x86_feature_detected!("sse4.2")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("avx512bw", std::arch::is_x86_feature_detected!("avx512bw")),
    ];
    #[cfg(target_arch = "aarch64")]
    let known = [("neon", std::arch::is_aarch64_feature_detected!("neon"))];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let known: [(&str, bool); 0] = [];
    known.iter().filter(|(_, here)| *here).map(|(name, _)| *name).collect()
}
