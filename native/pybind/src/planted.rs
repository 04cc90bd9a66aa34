//! A bug on purpose: `make asan` proves with it that the sanitizer sees what goes wrong here. In no release build.

use pyo3::prelude::*;

/// Reads one byte behind a buffer of so many.
#[pyfunction]
fn planted_bug(length: usize) -> u8 {
    let buffer = std::hint::black_box(vec![1_u8; length]);
    // SAFETY: none, and that is the point: the address is one past the end.
    unsafe { std::ptr::read_volatile(buffer.as_ptr().add(length)) }
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(planted_bug, module)?)
}
