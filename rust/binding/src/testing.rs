//! Hooks for the tests; compiled into test builds only.

use pyo3::prelude::*;

#[pymodule]
pub mod testing {
    use ferrograd_cpu::{isa, paths};
    use pyo3::exceptions::PyValueError;
    use pyo3::prelude::*;

    /// Switches the instruction set of the whole process.
    #[pyfunction]
    fn set_isa(name: &str) -> PyResult<()> {
        isa::set(isa::Isa::named(name).map_err(PyValueError::new_err)?);
        Ok(())
    }

    /// `(path, can be parallel)` of every kernel path compiled in.
    #[pyfunction]
    fn declared_paths() -> Vec<(&'static str, bool)> {
        paths::declared()
    }

    /// `(path, instruction set, most tasks)` of every kernel path entered.
    #[pyfunction]
    fn entered_paths() -> Vec<(&'static str, &'static str, usize)> {
        paths::entered()
    }
}
