//! Text kernels of xiaoer, without any Python in them.

pub mod automaton;
pub mod builder;
pub mod chunker;
pub mod classes;
pub mod cpu;
pub mod error;
pub mod filter;
pub mod find;
pub mod fold;
pub mod pattern;
mod prefilter;
mod runs;
pub mod saved;
pub mod scan;
pub mod section;
mod sink;
pub mod stream;
pub mod text;
pub mod tokens;
