//! The words of a filter, compiled, and the Python objects that they came from.

use std::cell::UnsafeCell;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyString, PyType};
use xiaoer_kernels::builder::{Builder, Built, Origin};
use xiaoer_kernels::filter::{Filter, Options};
use xiaoer_kernels::scan::Found;
use xiaoer_kernels::text::Unit;

use crate::errors::invalid_word;
use crate::matches::Match;
use crate::pystr;
use crate::sections::Sections;
use crate::with_units;

/// So many words are read at once with the GIL; between, other threads get it.
const BATCH: usize = 4_096;

/// What a scan uses; scans under way keep theirs alive.
pub(crate) struct Compiled {
    pub(crate) filter: Filter,
    /// `str` or `xiaoer.Word`, in the order of the folded texts.
    words: Words,
    allowed: Vec<Py<PyString>>,
}

impl Compiled {
    /// Compiles words (`str` or `xiaoer.Word`) and allowed texts. Raises `InvalidWord` and `TypeError`.
    pub(crate) fn build(
        py: Python<'_>,
        options: Options,
        words: &[Py<PyAny>],
        allowed: &[Py<PyString>],
    ) -> PyResult<Self> {
        let mut builder = Builder::new(options);
        let mut texts = Texts::default();
        for (number, word) in words.iter().enumerate() {
            let word = word.bind(py);
            let number = number as u32;
            texts.push(&text_of(word)?, Origin::Word(number));
            for spelling in spellings_of(word)? {
                texts.push(&spelling, Origin::Variant(number));
            }
            if texts.len() >= BATCH {
                texts.hand_over(py, &mut builder)?;
            }
        }
        for (number, text) in allowed.iter().enumerate() {
            texts.push(text.bind(py), Origin::Allowed(number as u32));
        }
        texts.hand_over(py, &mut builder)?;
        let built = py.detach(|| builder.build());
        let Built { filter, words: kept, allowed: kept_allowed } = built;
        let words = kept.iter().map(|&number| words[number as usize].clone_ref(py)).collect();
        let allowed = kept_allowed.iter().map(|&number| allowed[number as usize].clone_ref(py)).collect();
        Ok(Self { filter, words: Words::given(words), allowed })
    }

    /// What a file holds; `words` gives the `xiaoer.Word` of an index. Raises `ValueError` if it cannot be.
    pub(crate) fn saved(
        options: Options,
        sections: Sections,
        words: Bound<'_, PyAny>,
        allowed: Vec<Py<PyString>>,
    ) -> PyResult<Self> {
        let length = words.len()?;
        let filter = sections.filter(options, length)?;
        Ok(Self { filter, words: Words::saved(words.unbind(), length), allowed })
    }

    /// Hits as `Match` objects.
    pub(crate) fn matches<'py>(&self, py: Python<'py>, found: &[Found]) -> PyResult<Bound<'py, PyList>> {
        let mut matches = Vec::with_capacity(found.len());
        for hit in found {
            let word = self.words.get(py, self.filter.owner(hit.pattern) as usize)?;
            matches.push(Bound::new(py, Match { start: hit.start, end: hit.end, word })?);
        }
        PyList::new(py, matches)
    }

    /// Number of words.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// All words, as given.
    pub(crate) fn given(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        (0..self.len()).map(|index| self.words.as_given(py, index)).collect()
    }

    /// All words as `xiaoer.Word`.
    pub(crate) fn words<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let words: Vec<_> =
            (0..self.words.len()).map(|index| self.words.get(py, index)).collect::<PyResult<_>>()?;
        PyList::new(py, words)
    }

    /// The allowed texts.
    pub(crate) fn allowed(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        self.allowed.iter().map(|text| text.clone_ref(py)).collect()
    }
}

/// Texts on their way to a builder, which takes them without the GIL.
#[derive(Default)]
struct Texts {
    code_points: Vec<u32>,
    ends: Vec<(usize, Origin)>,
}

impl Texts {
    fn push(&mut self, text: &Bound<'_, PyString>, origin: Origin) {
        with_units!(pystr::view(text), units => self.code_points.extend(units.iter().map(|unit| unit.code_point())));
        self.ends.push((self.code_points.len(), origin));
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn hand_over(&mut self, py: Python<'_>, builder: &mut Builder) -> PyResult<()> {
        let Self { code_points, ends } = self;
        py.detach(|| {
            let mut from = 0;
            for (end, origin) in ends.drain(..) {
                builder.push(code_points[from..end].iter().copied(), origin)?;
                from = end;
            }
            code_points.clear();
            Ok(())
        })
        .map_err(|error| invalid_word(&error))
    }
}

/// The `str` of a `str` or a `xiaoer.Word`. Raises `TypeError` for anything else.
pub(crate) fn text_of<'py>(word: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    if let Ok(text) = word.cast::<PyString>() {
        return Ok(text.clone());
    }
    if !word.is_instance(word_type(word.py())?)? {
        let kind = word.get_type().name()?;
        return Err(PyTypeError::new_err(format!("a word is a str or a Word, not {kind}")));
    }
    Ok(word.getattr(pyo3::intern!(word.py(), "text"))?.cast_into()?)
}

/// The other spellings that a `xiaoer.Word` asks for.
fn spellings_of<'py>(word: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyString>>> {
    static SPELLINGS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = word.py();
    if word.is_instance_of::<PyString>() {
        return Ok(Vec::new());
    }
    let variants = word.getattr(pyo3::intern!(py, "variants"))?;
    if !variants.is_truthy()? {
        return Ok(Vec::new());
    }
    let spellings = SPELLINGS.import(py, "xiaoer._variants", "spellings")?;
    spellings.call1((text_of(word)?, variants))?.extract()
}

fn word_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static WORD: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    WORD.import(py, "xiaoer._words", "Word")
}

/// Words as they were given, each made a `Word` when it is first asked for: of a million, few are ever found. Two
/// threads that ask at once may each make one.
struct Words {
    /// None is still only in `saved`.
    made: UnsafeCell<Vec<Option<Py<PyAny>>>>,
    /// What gives the word of an index: `xiaoer._saved.SavedWords`.
    saved: Option<Py<PyAny>>,
}

// SAFETY: every access has a `Python` token, so one thread at a time; see the methods.
unsafe impl Sync for Words {}

impl Words {
    fn given(words: Vec<Py<PyAny>>) -> Self {
        Self { made: UnsafeCell::new(words.into_iter().map(Some).collect()), saved: None }
    }

    fn saved(words: Py<PyAny>, length: usize) -> Self {
        Self { made: UnsafeCell::new((0..length).map(|_| None).collect()), saved: Some(words) }
    }

    fn len(&self) -> usize {
        // SAFETY: the vector's length never changes.
        unsafe { (*self.made.get()).len() }
    }

    /// The word as it was given; of a saved one the `Word`.
    fn as_given(&self, py: Python<'_>, index: usize) -> PyResult<Py<PyAny>> {
        // SAFETY: the token means that no other thread is in here; counting references runs no Python code, and the
        // borrow ends with the statement.
        let made = unsafe { (&(*self.made.get()))[index].as_ref().map(|word| word.clone_ref(py)) };
        match (made, &self.saved) {
            (Some(word), _) => Ok(word),
            (None, Some(saved)) => Ok(saved.bind(py).get_item(index)?.unbind()),
            (None, None) => unreachable!("a word that is not saved was given"),
        }
    }

    #[inline]
    fn get(&self, py: Python<'_>, index: usize) -> PyResult<Py<PyAny>> {
        // SAFETY: as in `as_given`.
        let made = unsafe { (&(*self.made.get()))[index].as_ref().map(|word| word.clone_ref(py)) };
        match made {
            Some(word) if !word.bind(py).is_instance_of::<PyString>() => Ok(word),
            _ => self.make(py, index),
        }
    }

    #[cold]
    fn make(&self, py: Python<'_>, index: usize) -> PyResult<Py<PyAny>> {
        let given = self.as_given(py, index)?;
        let made = if given.bind(py).is_instance_of::<PyString>() {
            word_type(py)?.call1((given,))?.unbind()
        } else {
            given
        };
        // SAFETY: as in `as_given`; the old word is dropped, which may run Python code, no sooner than the new is in
        // place.
        let old = unsafe { (&mut (*self.made.get()))[index].replace(made.clone_ref(py)) };
        drop(old);
        Ok(made)
    }
}

/// The compiled words of this moment, swapped whole.
///
/// Guarded by the GIL: the module declares that it uses it, so that a free-threaded interpreter turns it on.
pub(crate) struct Current(UnsafeCell<Arc<Compiled>>);

// SAFETY: every access has a `Python` token, so one thread at a time.
unsafe impl Sync for Current {}

impl Current {
    pub(crate) fn new(compiled: Compiled) -> Self {
        Self(UnsafeCell::new(Arc::new(compiled)))
    }

    /// For scans that give the GIL up or run Python code.
    #[inline]
    pub(crate) fn get(&self, _: Python<'_>) -> Arc<Compiled> {
        // SAFETY: the token means that no other thread is in here; cloning runs no Python code.
        unsafe { Arc::clone(&*self.0.get()) }
    }

    /// For scans that do neither.
    #[inline]
    pub(crate) fn with<T>(&self, _: Python<'_>, scan: impl FnOnce(&Filter) -> T) -> T {
        // SAFETY: the token means that no other thread swaps it meanwhile, as long as `scan`, which gets no token and
        // cannot reach Python, runs.
        let current: &Arc<Compiled> = unsafe { &*self.0.get() };
        scan(&current.filter)
    }

    /// Scans under way keep the old one.
    pub(crate) fn swap(&self, _: Python<'_>, compiled: Compiled) {
        let compiled = Arc::new(compiled);
        // SAFETY: the token means that no other thread is in here. The old one is dropped after the new is in place:
        // that may free Python objects, and freeing may run Python code.
        let old = unsafe { std::mem::replace(&mut *self.0.get(), compiled) };
        drop(old);
    }
}
