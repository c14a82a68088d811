//! The op table for CPUs. One module a family; every function takes arrays, checks them, and returns new ones.

pub mod denormals;
pub mod isa;
pub mod parallel;
pub mod paths;
pub mod simd;
