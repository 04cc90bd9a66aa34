//! Methods that `CPython` calls without `PyO3`'s wrapper: on a text of twenty characters the wrapper costs as much as the
//! scan.
//!
//! They are put on the Python class that people use, not on its base: the interpreter's specialised call of a method
//! wants the object to be of the very class that the method was made for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType};

use crate::filter::WordFilter;

/// A method that takes one argument. Valid for ever, as `CPython` keeps the address.
fn method(
    name: &'static std::ffi::CStr,
    call: unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject,
    doc: &'static std::ffi::CStr,
) -> *mut ffi::PyMethodDef {
    Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: call },
        ml_flags: ffi::METH_O,
        ml_doc: doc.as_ptr(),
    }))
}

/// Gives a subclass of `WordFilter` quicker methods of the same names.
#[pyfunction]
pub fn speed_up(class: &Bound<'_, PyType>) -> PyResult<()> {
    let py = class.py();
    if !class.is_subclass_of::<WordFilter>()? {
        return Err(PyTypeError::new_err("not a subclass of xiaoer_native.WordFilter"));
    }
    let methods = [
        (c"contains", contains as unsafe extern "C" fn(_, _) -> _, c"contains($self, text, /)\n--\n\nWhether the text has a hit."),
        (c"find", find, c"find($self, text, /)\n--\n\nThe hits from left to right: of those that overlap the leftmost, of those that start together the longest."),
    ];
    for (name, call, doc) in methods {
        // SAFETY: the class is a live type object; the definition is never freed. The result is a new reference or
        // null with an exception set. The descriptor checks that `self` is an instance of the class.
        let descriptor = unsafe {
            let made = ffi::PyDescr_NewMethod(class.as_type_ptr(), method(name, call, doc));
            Bound::from_owned_ptr_or_err(py, made)?
        };
        class.setattr(name.to_str().unwrap_or_default(), descriptor)?;
    }
    Ok(())
}

unsafe extern "C" fn contains(slf: *mut ffi::PyObject, text: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by CPython, see `call`.
    unsafe {
        call(slf, text, |filter, text| {
            let hit = filter.contains(text);
            Ok(ffi::Py_NewRef(if hit { ffi::Py_True() } else { ffi::Py_False() }))
        })
    }
}

unsafe extern "C" fn find(slf: *mut ffi::PyObject, text: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by CPython, see `call`.
    unsafe { call(slf, text, |filter, text| Ok(filter.find(text)?.into_ptr())) }
}

/// Runs a method's body on the arguments as what they are; an error or a panic becomes a Python exception.
///
/// # Safety
/// `slf` and `text` are borrowed references from `CPython`, which holds the GIL; `slf` is an instance of a class that
/// `speed_up` was given. The result is a new reference, or null with an exception set.
#[inline]
unsafe fn call(
    slf: *mut ffi::PyObject,
    text: *mut ffi::PyObject,
    body: impl FnOnce(&WordFilter, &Bound<'_, PyString>) -> PyResult<*mut ffi::PyObject>,
) -> *mut ffi::PyObject {
    // SAFETY: as the caller promises. The type of `text` is checked before it is taken for a `str`.
    unsafe {
        let py = Python::assume_attached();
        let slf = Borrowed::from_ptr(py, slf).cast_unchecked::<WordFilter>();
        let text = Borrowed::from_ptr(py, text);
        let result = match text.cast::<PyString>() {
            Ok(text) => catch_unwind(AssertUnwindSafe(|| body(slf.get(), &text))).unwrap_or_else(|panic| {
                let message = panic.downcast_ref::<&str>().copied().map(str::to_owned);
                let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
                Err(pyo3::panic::PanicException::new_err(message.unwrap_or_default()))
            }),
            Err(error) => Err(error.into()),
        };
        result.unwrap_or_else(|error| {
            error.restore(py);
            std::ptr::null_mut()
        })
    }
}
