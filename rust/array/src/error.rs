use std::fmt::Display;

use crate::DType;

pub type Result<T> = std::result::Result<T, Error>;

/// What a caller did wrong, or what could not be had. Each variant becomes one Python exception.
///
/// Messages read `op: argument: expected …, got …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Shapes that do not fit: `fg.ShapeError` (a `ValueError` as NumPy raises and a `RuntimeError` as PyTorch does).
    #[error("{0}")]
    Shape(String),
    /// A dtype that the op does not take: `fg.DTypeError` (a `TypeError` and a `RuntimeError`).
    #[error("{0}")]
    DType(String),
    /// A value out of its range: `ValueError`.
    #[error("{0}")]
    Value(String),
    /// An index or a dimension out of range: `IndexError`.
    #[error("{0}")]
    Index(String),
    /// An integer divided by zero: a `ZeroDivisionError` (Python's) and a `RuntimeError` (PyTorch's).
    #[error("{0}")]
    ZeroDivision(String),
    /// Arrays on different devices, or an op that the device lacks: `RuntimeError`.
    #[error("{0}")]
    Device(String),
    /// Memory that cannot be had: `MemoryError`.
    #[error("{0}")]
    Memory(String),
}

impl Error {
    pub fn shape(op: &str, argument: &str, expected: impl Display, got: impl Display) -> Self {
        Self::Shape(format!("{op}: {argument}: expected {expected}, got {got}"))
    }

    pub fn dtype(op: &str, argument: &str, expected: impl Display, got: DType) -> Self {
        let cure = match got {
            DType::F16 | DType::BF16 => ", which is for storage; convert it with .float() first",
            _ => "",
        };
        Self::DType(format!("{op}: {argument}: expected {expected}, got {got}{cure}"))
    }

    pub fn value(op: &str, argument: &str, expected: impl Display, got: impl Display) -> Self {
        Self::Value(format!("{op}: {argument}: expected {expected}, got {got}"))
    }

    pub fn index(op: &str, argument: &str, expected: impl Display, got: impl Display) -> Self {
        Self::Index(format!("{op}: {argument}: expected {expected}, got {got}"))
    }
}
