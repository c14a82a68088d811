//! The op table for CPUs. One module a family; every function takes arrays, checks them, and returns new ones.

pub mod activation;
mod bits;
mod cast;
pub mod denormals;
pub mod elementwise;
pub mod gemm;
pub mod index;
pub mod isa;
pub mod join;
pub mod linalg;
pub mod optim;
pub mod parallel;
pub mod paths;
pub mod peak;
pub mod pooling;
pub mod random;
pub mod simd;
pub mod strided;

pub use cast::{cast, contiguous, copy_into};
