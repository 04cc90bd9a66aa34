//! Text kernels of xiaoer, without any Python in them.

pub mod automaton;
mod case_table;
pub mod chunker;
pub mod classes;
pub mod error;
pub mod filter;
pub mod fold;
pub mod scan;
mod sink;
pub mod stream;
pub mod text;
pub mod tokens;
