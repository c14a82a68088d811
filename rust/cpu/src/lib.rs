//! The op table for CPUs. One module a family; every function takes arrays, checks them, and returns new ones.

mod cast;
pub mod denormals;
pub mod elementwise;
pub mod isa;
pub mod parallel;
pub mod paths;
pub mod simd;
pub mod strided;

pub use cast::{cast, contiguous, copy_into};
