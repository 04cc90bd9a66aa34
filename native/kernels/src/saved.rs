//! A compiled filter as named arrays of bytes, to be written to a file and read from it in place.
//!
//! What comes from a file is believed nothing: every number that is used as an index is checked once, so that a scan
//! can neither read elsewhere nor go on for ever.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::automaton::Automaton;
use crate::classes::Classes;
use crate::filter::{Filter, Lane, Options};
use crate::pattern::{Pattern, Role};
use crate::prefilter::Prefilter;
use crate::section::{Plain, Section};

/// The arrays are not those of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged(&'static str);

impl Damaged {
    pub(crate) fn new(what: &'static str) -> Self {
        Self(what)
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "its {} cannot be right", self.0)
    }
}

impl std::error::Error for Damaged {}

/// Fails unless a condition holds.
pub(crate) fn check(condition: bool, what: &'static str) -> Result<(), Damaged> {
    if condition { Ok(()) } else { Err(Damaged::new(what)) }
}

/// Arrays on their way to a file, with their names.
#[derive(Default)]
pub(crate) struct Writer<'a>(Vec<(String, &'a [u8])>);

impl<'a> Writer<'a> {
    pub(crate) fn add<T: Plain>(&mut self, group: &str, name: &str, array: &'a Section<T>) {
        self.0.push((format!("{group}.{name}"), array.bytes()));
    }
}

/// Arrays from a file.
pub struct Reader<'a> {
    find: &'a dyn Fn(&str) -> Option<&'a [u8]>,
    owner: Arc<dyn Any + Send + Sync>,
}

impl<'a> Reader<'a> {
    /// Reads arrays by name.
    ///
    /// # Safety
    /// What `find` gives lies in what `owner` keeps alive, and neither moves nor changes while it lives.
    pub unsafe fn new(find: &'a dyn Fn(&str) -> Option<&'a [u8]>, owner: Arc<dyn Any + Send + Sync>) -> Self {
        Self { find, owner }
    }

    pub(crate) fn has(&self, group: &str, name: &str) -> bool {
        (self.find)(&format!("{group}.{name}")).is_some()
    }

    pub(crate) fn get<T: Plain>(&self, group: &str, name: &'static str) -> Result<Section<T>, Damaged> {
        let bytes = (self.find)(&format!("{group}.{name}")).ok_or(Damaged::new(name))?;
        // SAFETY: as `new` was promised.
        unsafe { Section::mapped(bytes, Arc::clone(&self.owner)) }.ok_or(Damaged::new(name))
    }
}

impl Filter {
    /// Its arrays by name; None if it has parts that are not saved and must be compiled again.
    #[must_use]
    pub fn sections(&self) -> Option<Vec<(String, &[u8])>> {
        if self.options.repeats {
            return None;
        }
        let mut writer = Writer::default();
        self.classes.write(&mut writer);
        writer.add("filter", "patterns", &self.patterns);
        writer.add("filter", "owners", &self.owners);
        for (group, lane) in [("plain", &self.plain), ("exact", &self.exact)] {
            if let Some(lane) = lane {
                lane.automaton.write(group, &mut writer);
                lane.prefilter.write(group, &mut writer);
            }
        }
        Some(writer.0)
    }

    /// The filter whose arrays these are, with `words` words.
    ///
    /// # Errors
    /// If they are not those of a filter.
    pub fn from_sections(options: Options, words: usize, reader: &Reader<'_>) -> Result<Self, Damaged> {
        let classes = Classes::read(reader)?;
        let patterns: Section<Pattern> = reader.get("filter", "patterns")?;
        let owners: Section<u32> = reader.get("filter", "owners")?;
        check(patterns.iter().all(|pattern| pattern.is_valid()), "patterns")?;
        check(owners.len() == patterns.len(), "owners")?;
        let owned =
            |(pattern, &owner): (&Pattern, &u32)| pattern.role() == Role::Allowed || (owner as usize) < words;
        check(patterns.iter().zip(owners.iter()).all(owned), "owners")?;
        let lane = |group: &str, noise: bool| {
            if !reader.has(group, "nodes") {
                return Ok(None);
            }
            let automaton = Automaton::read(group, reader, &patterns)?;
            check(automaton.alphabet() >= classes.largest() as usize, "classes")?;
            let prefilter = Prefilter::read(group, reader, noise, automaton.alphabet())?;
            Ok(Some(Lane { automaton, prefilter, noise, runs: None }))
        };
        Ok(Self {
            options,
            plain: lane("plain", true)?,
            exact: lane("exact", false)?,
            has_allowed: patterns.iter().any(|pattern| pattern.role() == Role::Allowed),
            classes,
            patterns,
            owners,
        })
    }
}
