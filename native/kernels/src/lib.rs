//! Text kernels of xiaoer, without any Python in them.

pub mod automaton;
pub mod chunker;
pub mod error;
pub mod fold;
pub mod scan;
pub mod text;
