//! `WordFilter` and `FilterStream`: Python objects around the kernels' filter. `xiaoer.filter` is the facade.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, RwLock};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::{MutexExt, PyOnceLock};
use pyo3::types::{PyBytes, PyList, PyString, PyType};
use xiaoer_kernels::filter::{Filter, Options, Role, Skip, key};
use xiaoer_kernels::fold::Fold;
use xiaoer_kernels::scan::Found;
use xiaoer_kernels::stream::{MaskStream, Output};
use xiaoer_kernels::text::Unit;

use crate::errors::invalid_word;
use crate::pystr;
use crate::with_units;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<WordFilter>()?;
    module.add_class::<FilterStream>()?;
    module.add_function(wrap_pyfunction!(fold_text, module)?)?;
    module.add_function(wrap_pyfunction!(kinds_of, module)?)
}

/// What to look for, by folded text: the source of the next compilation.
struct Contents {
    /// `xiaoer.Word` objects.
    words: BTreeMap<Vec<u32>, Py<PyAny>>,
    allowed: BTreeMap<Vec<u32>, Py<PyString>>,
}

/// What a scan uses. Never changes; scans under way keep theirs alive.
struct Compiled {
    filter: Filter,
    /// By pattern number; None for an allowed text.
    words: Vec<Option<Py<PyAny>>>,
}

/// Finds words in texts. Base of `xiaoer.WordFilter`, which documents it and prepares the arguments.
#[pyclass(subclass, frozen, module = "xiaoer_native")]
struct WordFilter {
    options: Options,
    /// Held by who changes the words, from reading the old ones to swapping the new ones in.
    contents: Mutex<Contents>,
    /// Locked only to copy or swap the pointer.
    compiled: RwLock<Arc<Compiled>>,
}

#[pymethods]
impl WordFilter {
    #[new]
    fn new(
        words: &Bound<'_, PyList>,
        allow: &Bound<'_, PyList>,
        fold: u8,
        skip: Option<(usize, usize)>,
        whole_words: bool,
    ) -> PyResult<Self> {
        let py = words.py();
        let fold = Fold::from_bits(fold)
            .ok_or_else(|| PyValueError::new_err(format!("fold {fold} has bits that no Fold has")))?;
        let skip = skip.map(|(gap, total)| Skip { gap, total });
        let options = Options { fold, skip, whole_words };
        let mut contents = Contents { words: BTreeMap::new(), allowed: BTreeMap::new() };
        for text in allow {
            let text: Bound<'_, PyString> = text.extract()?;
            contents.allowed.insert(folded(fold, &text)?, text.unbind());
        }
        contents.words.extend(keyed(fold, words)?);
        let compiled = RwLock::new(Arc::new(compile(py, options, &contents)));
        Ok(Self { options, contents: Mutex::new(contents), compiled })
    }

    /// Whether the text has a hit.
    fn contains(&self, text: &Bound<'_, PyString>) -> bool {
        let compiled = self.current();
        with_units!(pystr::view(text), units => compiled.filter.contains(units))
    }

    /// The hits from left to right: of those that overlap the leftmost, of those that start together the longest.
    fn find<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyList>> {
        let compiled = self.current();
        let found = with_units!(pystr::view(text), units => compiled.filter.find(units));
        compiled.matches(text.py(), &found)
    }

    /// Every hit, ordered by start and end.
    fn find_overlapping<'py>(&self, text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyList>> {
        let compiled = self.current();
        let found = with_units!(pystr::view(text), units => compiled.filter.find_overlapping(units));
        compiled.matches(text.py(), &found)
    }

    /// The text with each code point of each hit of `find()` replaced by the mask; the same object if there is none.
    #[pyo3(signature = (text, mask = Mask::default()), text_signature = "($self, text, mask='*')")]
    #[allow(clippy::needless_pass_by_value)]
    fn replace<'py>(&self, text: &Bound<'py, PyString>, mask: Mask) -> PyResult<Bound<'py, PyString>> {
        let compiled = self.current();
        let masked = with_units!(pystr::view(text), units => {
            let found = compiled.filter.find(units);
            (!found.is_empty()).then(|| masked(units, &found, &mask.0))
        });
        masked.map_or_else(|| Ok(text.clone()), |masked| pystr::build(text.py(), &masked))
    }

    /// A stream that masks hits; it keeps the words of this moment.
    #[pyo3(signature = (mask = Mask::default()), text_signature = "($self, mask='*')")]
    fn stream(&self, mask: Mask) -> FilterStream {
        FilterStream { compiled: self.current(), stream: MaskStream::new(mask.0) }
    }

    /// Takes these words in, replacing those that fold to the same; all or none.
    fn add(&self, words: &Bound<'_, PyList>) -> PyResult<()> {
        let added = keyed(self.options.fold, words)?;
        self.change(words.py(), |contents| contents.words.extend(added));
        Ok(())
    }

    /// Takes these words out, by text as folded; one that is not in is passed over.
    fn remove(&self, words: &Bound<'_, PyList>) -> PyResult<()> {
        let removed = keyed(self.options.fold, words)?;
        self.change(words.py(), |contents| {
            for (key, _) in removed {
                contents.words.remove(&key);
            }
        });
        Ok(())
    }

    /// The words, one for each folded text, ordered by that.
    #[getter]
    fn words<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let contents = lock(py, &self.contents);
        PyList::new(py, contents.words.values().map(|word| word.bind(py)))
    }

    /// The allowed texts, ordered as the words.
    #[getter]
    fn allow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let contents = lock(py, &self.contents);
        PyList::new(py, contents.allowed.values().map(|text| text.bind(py)))
    }
}

impl WordFilter {
    #[inline]
    fn current(&self) -> Arc<Compiled> {
        // Nothing panics while the pointer is locked, so a poisoned lock still holds a whole one.
        Arc::clone(&self.compiled.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Builds aside and swaps; scans under way keep the old words.
    fn change(&self, py: Python<'_>, change: impl FnOnce(&mut Contents)) {
        let mut contents = lock(py, &self.contents);
        change(&mut contents);
        let next = Arc::new(compile(py, self.options, &contents));
        let old = {
            let mut current = self.compiled.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            std::mem::replace(&mut *current, next)
        };
        drop(contents);
        // After both locks: this may free Python objects, and freeing may run Python code.
        drop(old);
    }
}

impl Compiled {
    fn matches<'py>(&self, py: Python<'py>, found: &[Found]) -> PyResult<Bound<'py, PyList>> {
        static MATCH: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let matches = PyList::empty(py);
        for hit in found {
            let word = self.words[hit.pattern as usize].as_ref();
            matches.append(MATCH.import(py, "xiaoer._words", "Match")?.call1((hit.start, hit.end, word))?)?;
        }
        Ok(matches)
    }
}

/// The lock, waited for without the GIL: its holder gives the GIL up while it compiles.
fn lock<'a>(py: Python<'_>, contents: &'a Mutex<Contents>) -> std::sync::MutexGuard<'a, Contents> {
    contents.lock_py_attached(py).unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn compile(py: Python<'_>, options: Options, contents: &Contents) -> Compiled {
    let mut merged: BTreeMap<&[u32], Option<&Py<PyAny>>> =
        contents.words.iter().map(|(key, word)| (key.as_slice(), Some(word))).collect();
    // An allowed text that is also a word is allowed.
    merged.extend(contents.allowed.keys().map(|key| (key.as_slice(), None)));
    let mut keys = Vec::with_capacity(merged.len());
    let mut words = Vec::with_capacity(merged.len());
    for (key, word) in merged {
        keys.push((key.to_vec(), if word.is_some() { Role::Word } else { Role::Allowed }));
        words.push(word.map(|word| word.clone_ref(py)));
    }
    let filter = py.detach(|| Filter::build(options, &keys));
    Compiled { filter, words }
}

/// `xiaoer.Word` objects by their folded texts; the last of those that fold alike.
fn keyed(fold: Fold, words: &Bound<'_, PyList>) -> PyResult<BTreeMap<Vec<u32>, Py<PyAny>>> {
    let mut keyed = BTreeMap::new();
    for word in words {
        let text: Bound<'_, PyString> = word.getattr(pyo3::intern!(words.py(), "text"))?.extract()?;
        keyed.insert(folded(fold, &text)?, word.unbind());
    }
    Ok(keyed)
}

fn folded(fold: Fold, text: &Bound<'_, PyString>) -> PyResult<Vec<u32>> {
    with_units!(pystr::view(text), units => key(fold, units.iter().map(|unit| unit.code_point())))
        .map_err(|error| invalid_word(&error))
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
struct Mask(Vec<u32>);

impl Default for Mask {
    fn default() -> Self {
        Self(vec![u32::from('*')])
    }
}

impl<'py> FromPyObject<'_, 'py> for Mask {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let mask = object.cast::<PyString>()?.to_owned();
        Ok(Self(
            with_units!(pystr::view(&mask), units => units.iter().map(|unit| unit.code_point()).collect()),
        ))
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
        let filter = &self.compiled.filter;
        match with_units!(pystr::view(text), units => self.stream.feed(filter, units)) {
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
    let mut folded = Vec::with_capacity(text.len()?);
    with_units!(pystr::view(text), units => for unit in units {
        match fold.expand(unit.code_point()) {
            Some(several) => folded.extend(several),
            None => folded.push(fold.apply(unit.code_point())),
        }
    });
    pystr::build(text.py(), &folded)
}

/// One byte a code point, the bits of its kind after folding; for the parity suite.
#[pyfunction]
fn kinds_of<'py>(text: &Bound<'py, PyString>, fold: u8) -> PyResult<Bound<'py, PyBytes>> {
    let fold = Fold::from_bits(fold).ok_or_else(|| PyValueError::new_err("unknown fold"))?;
    let kinds: Vec<u8> = with_units!(pystr::view(text), units => {
        units.iter().map(|unit| (fold.kinds(unit.code_point()) >> 24) as u8).collect()
    });
    Ok(PyBytes::new(text.py(), &kinds))
}
