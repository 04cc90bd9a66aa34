//! What the fuzz targets share: cases read from bytes, and kernels so simple that they can only be right.

pub mod brute;
pub mod case;
pub mod clusters;
pub mod kernel;
