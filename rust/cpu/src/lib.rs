//! The op table for CPUs. One module a family; every function takes arrays, checks them, and returns new ones.

pub mod activation;
pub mod attention;
mod bits;
mod cache;
mod cast;
pub mod conv;
mod copy;
pub mod denormals;
mod dense;
pub mod elementwise;
pub mod gemm;
pub mod index;
pub mod isa;
pub mod join;
pub mod linalg;
pub mod loss;
pub mod norm;
pub mod optim;
pub mod parallel;
pub mod paths;
pub mod peak;
pub mod pooling;
pub mod random;
pub mod reduce;
pub mod rnn;
pub mod scan;
pub mod simd;
pub mod softmax;
pub mod sort;
pub mod strided;
#[cfg(feature = "testing")]
pub mod units;

pub use cast::{cast, copy_into};
pub use copy::{clone, contiguous, copy_, full, ordered};
