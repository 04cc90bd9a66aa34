//! `WordFilter` and `FilterStream`: Python objects around the kernels' filter. `xiaoer.filter` is the facade.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyList, PyString};
use xiaoer_kernels::builder::key;
use xiaoer_kernels::classes::{Classes, fold_into};
use xiaoer_kernels::filter::{Options, Skip};
use xiaoer_kernels::fold::Fold;
use xiaoer_kernels::scan::Found;
use xiaoer_kernels::stream::{MaskStream, Output};
use xiaoer_kernels::text::Unit;

use crate::compiled::{Compiled, Current, text_of};
use crate::errors::invalid_word;
use crate::pystr::{self, Text};
use crate::sections::Sections;
use crate::with_units;

/// Texts from this length on are scanned without the GIL; below, giving it up costs more than it gives.
const LARGE: usize = 1 << 16;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<WordFilter>()?;
    module.add_class::<FilterStream>()?;
    module.add_function(wrap_pyfunction!(fold_text, module)?)?;
    module.add_function(wrap_pyfunction!(kinds_of, module)?)
}

/// Finds words in texts. Base of `xiaoer.WordFilter`, which documents it and prepares the arguments.
#[pyclass(subclass, frozen, module = "xiaoer_native")]
pub(crate) struct WordFilter {
    options: Options,
    /// Held by who changes the words, from reading the old ones to swapping the new ones in.
    changing: Mutex<()>,
    /// The thread that does, or 0.
    changer: AtomicU64,
    compiled: Current,
}

#[pymethods]
impl WordFilter {
    #[new]
    fn new(
        words: &Bound<'_, PyAny>,
        allow: &Bound<'_, PyList>,
        fold: u8,
        skip: Option<(usize, usize)>,
        repeats: bool,
        whole_words: bool,
    ) -> PyResult<Self> {
        let fold = Fold::from_bits(fold)
            .ok_or_else(|| PyValueError::new_err(format!("fold {fold} has bits that no Fold has")))?;
        let skip = skip.map(|(gap, total)| Skip { gap, total });
        let options = Options { fold, skip, repeats, whole_words };
        let allowed = allow.iter().map(|text| Ok(text.cast_into::<PyString>()?.unbind()));
        let allowed = allowed.collect::<PyResult<Vec<_>>>()?;
        let compiled = if let Ok(words) = words.cast::<PyList>() {
            let given: Vec<_> = words.iter().map(Bound::unbind).collect();
            Compiled::build(words.py(), options, &given, &allowed)?
        } else {
            let (words, sections): (Bound<'_, PyAny>, Sections) = words.extract()?;
            Compiled::saved(options, sections, words, allowed)?
        };
        Ok(Self {
            options,
            changing: Mutex::new(()),
            changer: AtomicU64::new(0),
            compiled: Current::new(compiled),
        })
    }

    /// Whether the text has a hit.
    #[pyo3(name = "contains")]
    fn py_contains(&self, text: &Bound<'_, PyString>) -> bool {
        self.contains(text)
    }

    /// The hits from left to right: of those that overlap the leftmost, of those that start together the longest.
    pub(crate) fn find<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyList>> {
        let compiled = self.compiled.get(text.py());
        let found = scan(text, |text| with_units!(text, units => compiled.filter.find(units)));
        compiled.matches(text.py(), &found)
    }

    /// Every hit, ordered by start and end.
    fn find_overlapping<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyList>> {
        let compiled = self.compiled.get(text.py());
        let found = scan(text, |text| with_units!(text, units => compiled.filter.find_overlapping(units)));
        compiled.matches(text.py(), &found)
    }

    /// The text with each code point of each hit of `find()` replaced by the mask; the same object if there is none.
    #[pyo3(signature = (text, mask = Mask::default()), text_signature = "($self, text, mask='*')")]
    #[allow(clippy::needless_pass_by_value)]
    fn replace<'py>(&self, text: &Bound<'py, PyString>, mask: Mask) -> PyResult<Bound<'py, PyString>> {
        let compiled = self.compiled.get(text.py());
        let masked = scan(text, |text| {
            with_units!(text, units => {
                let found = compiled.filter.find(units);
                (!found.is_empty()).then(|| masked(units, &found, mask.code_points()))
            })
        });
        masked.map_or_else(|| Ok(text.clone()), |masked| pystr::build(text.py(), &masked))
    }

    /// A stream that masks hits; it keeps the words of this moment.
    #[pyo3(signature = (mask = Mask::default()), text_signature = "($self, mask='*')")]
    #[allow(clippy::needless_pass_by_value)]
    fn stream(&self, py: Python<'_>, mask: Mask) -> FilterStream {
        let stream = MaskStream::new(mask.code_points().to_vec());
        FilterStream { compiled: self.compiled.get(py), stream }
    }

    /// Words, allowed texts, and names and bytes of the compiled arrays as a file holds them, all of one moment. None
    /// for the arrays if they must be compiled again.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Snapshot<'py>> {
        let compiled = self.compiled.get(py);
        let sections = compiled.filter.sections();
        let pack = |(name, bytes)| (name, PyBytes::new(py, bytes));
        let arrays = sections.map(|sections| sections.into_iter().map(pack).collect());
        Ok((compiled.words(py)?, compiled.allowed(py), arrays))
    }

    /// Takes these words in, replacing those that fold to the same; all or none.
    fn add(&self, words: &Bound<'_, PyList>) -> PyResult<()> {
        self.change(words.py(), |given| {
            given.extend(words.iter().map(Bound::unbind));
            Ok(())
        })
    }

    /// Takes these words out, by text as folded; one that is not in is passed over.
    fn remove(&self, words: &Bound<'_, PyList>) -> PyResult<()> {
        let py = words.py();
        let removed: HashSet<_> = words.iter().map(|word| self.folded(&word)).collect::<PyResult<_>>()?;
        self.change(py, |given| {
            let mut error = None;
            given.retain(|word| match self.folded(word.bind(py)) {
                Ok(key) => !removed.contains(&key),
                Err(other) => {
                    error = Some(other);
                    true
                }
            });
            error.map_or(Ok(()), Err)
        })
    }

    /// The words, one for each folded text, ordered by that.
    #[getter]
    fn words<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.compiled.get(py).words(py)
    }

    /// The allowed texts, ordered as the words.
    #[getter]
    fn allow(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        self.compiled.get(py).allowed(py)
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.compiled.get(py).len()
    }
}

impl WordFilter {
    /// Whether the text has a hit.
    #[inline]
    pub(crate) fn contains(&self, text: &Bound<'_, PyString>) -> bool {
        let py = text.py();
        let view = pystr::view(text);
        if view.len() < LARGE {
            return self.compiled.with(py, |filter| with_units!(view, units => filter.contains(units)));
        }
        let compiled = self.compiled.get(py);
        py.detach(|| with_units!(view, units => compiled.filter.contains(units)))
    }

    /// Builds aside and swaps; scans under way keep the old words. Raises `RuntimeError` if what runs meanwhile (an
    /// object's end, a `str` of a subclass) changes the same filter.
    fn change(
        &self,
        py: Python<'_>,
        change: impl FnOnce(&mut Vec<Py<PyAny>>) -> PyResult<()>,
    ) -> PyResult<()> {
        let this_thread = thread_id();
        if self.changer.load(Ordering::Relaxed) == this_thread {
            return Err(PyRuntimeError::new_err("this thread is changing the filter already"));
        }
        // Dropped after the lock: that may free Python objects, and freeing may run Python code.
        let (current, mut given);
        // Waited for without the GIL: its holder gives the GIL up while it compiles.
        let guard = self.changing.lock_py_attached(py);
        let guard = guard.unwrap_or_else(std::sync::PoisonError::into_inner);
        self.changer.store(this_thread, Ordering::Relaxed);
        let changer = Changer(&self.changer);
        current = self.compiled.get(py);
        given = current.given(py)?;
        change(&mut given)?;
        let next = Compiled::build(py, self.options, &given, &current.allowed(py))?;
        self.compiled.swap(py, next);
        drop(changer);
        drop(guard);
        Ok(())
    }

    fn folded(&self, word: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
        let text = text_of(word)?;
        with_units!(pystr::view(&text), units => key(self.options.fold, units.iter().map(|unit| unit.code_point())))
            .map_err(|error| invalid_word(&error))
    }
}

/// What [`WordFilter::snapshot`] gives.
type Snapshot<'py> = (Bound<'py, PyList>, Vec<Py<PyString>>, Option<Vec<(String, Bound<'py, PyBytes>)>>);

/// Sets the thread that changes a filter to none when it goes, whatever happened.
struct Changer<'a>(&'a AtomicU64);

impl Drop for Changer<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// A number that no other thread has, never 0.
fn thread_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local!(static ID: u64 = NEXT.fetch_add(1, Ordering::Relaxed));
    ID.with(|id| *id)
}

/// Scans a text, without the GIL if it is large.
#[inline]
fn scan<T: Send>(text: &Bound<'_, PyString>, scan: impl FnOnce(Text<'_>) -> T + Send) -> T {
    let view = pystr::view(text);
    if view.len() < LARGE { scan(view) } else { text.py().detach(|| scan(view)) }
}

fn masked<U: Unit>(units: &[U], found: &[Found], mask: &[u32]) -> Vec<u32> {
    let mut output = Vec::with_capacity(units.len());
    let mut from = 0;
    for hit in found {
        output.extend(units[from..hit.start].iter().map(|unit| unit.code_point()));
        for _ in hit.start..hit.end {
            output.extend_from_slice(mask);
        }
        from = hit.end;
    }
    output.extend(units[from..].iter().map(|unit| unit.code_point()));
    output
}

/// What a code point of a hit becomes.
#[derive(Default)]
struct Mask(Option<Vec<u32>>);

impl Mask {
    fn code_points(&self) -> &[u32] {
        self.0.as_deref().unwrap_or(&['*' as u32])
    }
}

impl<'py> FromPyObject<'_, 'py> for Mask {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let mask = object.cast::<PyString>()?.to_owned();
        let code_points =
            with_units!(pystr::view(&mask), units => units.iter().map(|unit| unit.code_point()).collect());
        Ok(Self(Some(code_points)))
    }
}

/// Masks hits in a text that comes in pieces. Made by `WordFilter.stream()`.
#[pyclass(module = "xiaoer_native")]
struct FilterStream {
    compiled: Arc<Compiled>,
    stream: MaskStream,
}

#[pymethods]
impl FilterStream {
    /// Reads on, and returns what nothing to come can change: all but the longest partial match at the end.
    fn feed<'py>(&mut self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
        let Self { compiled, stream } = self;
        match scan(text, |text| with_units!(text, units => stream.feed(&compiled.filter, units))) {
            Output::Unchanged(end) => pystr::slice(text, 0, end),
            Output::Changed(output) => pystr::build(text.py(), &output),
        }
    }

    /// The text ends here: returns the rest. The stream can then be used for the next text.
    fn flush<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        pystr::build(py, &self.stream.flush(&self.compiled.filter))
    }
}

/// The text folded; for the parity suite.
#[pyfunction]
fn fold_text<'py>(text: &Bound<'py, PyString>, fold: u8) -> PyResult<Bound<'py, PyString>> {
    let fold = Fold::from_bits(fold).ok_or_else(|| PyValueError::new_err("unknown fold"))?;
    let mut folded = Vec::new();
    with_units!(pystr::view(text), units => {
        fold_into(fold, units.iter().map(|unit| unit.code_point()), &mut folded);
    });
    pystr::build(text.py(), &folded)
}

/// The kinds of each character, a byte each; for the parity suite.
#[pyfunction]
fn kinds_of<'py>(text: &Bound<'py, PyString>, fold: u8) -> PyResult<Bound<'py, PyBytes>> {
    let fold = Fold::from_bits(fold).ok_or_else(|| PyValueError::new_err("unknown fold"))?;
    let classes = Classes::new(fold);
    let kinds: Vec<u8> = with_units!(pystr::view(text), units => units.iter().map(|unit| (classes.get(unit.code_point()).kinds() >> 24) as u8).collect());
    Ok(PyBytes::new(text.py(), &kinds))
}
