//! Data without arithmetic: what an element is ([`DType`]), where elements lie ([`Layout`]), who owns
//! them ([`Buffer`]), where memory comes from ([`memory`]), and the four together ([`Array`]).

mod array;
mod buffer;
mod dtype;
mod error;
mod layout;
pub mod memory;
pub mod os;

pub use array::{Array, Device, Storage};
pub use buffer::Buffer;
pub use dtype::{DType, Element, Kind, promote};
pub use error::{Error, Result};
pub use layout::{Dims, Layout, Shape, Strides, broadcast_shapes, checked_numel, contiguous_strides};
