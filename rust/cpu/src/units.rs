//! The unit tests, which are part of the library where its feature `testing` is on; `tests/unit.rs` runs them.

#[doc(hidden)]
pub use inventory;

/// One test.
pub struct Unit {
    /// Its path in the crate.
    pub name: &'static str,
    pub run: fn(),
    pub ignored: bool,
}

inventory::collect!(Unit);

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Unit> {
    inventory::iter::<Unit>.into_iter()
}
