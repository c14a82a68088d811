//! `ferrograd._core`: the Rust side of every call. It unpacks arguments, checks them, releases the GIL, calls a
//! kernel and wraps the result; it does no arithmetic.

mod backend;
mod dlpack;
mod error;
mod modes;
mod numpy;
mod operand;
mod replay;
mod runtime;
mod saved;
mod tensor;
#[cfg(feature = "testing")]
mod testing;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::dlpack::from_dlpack;
    #[pymodule_export]
    use crate::modes::{is_grad_enabled, is_inference_mode_enabled, set_grad_mode, set_inference_mode};
    #[pymodule_export]
    use crate::numpy::from_numpy;
    #[pymodule_export]
    use crate::operand::result_type;
    #[pymodule_export]
    use crate::replay::{Snapshot, Tape, buffers_made, requiring};
    #[pymodule_export]
    use crate::runtime::{
        copy_bandwidth, empty_cache, empty_region, fma_peak, get_num_threads, instruction_rate, is_winograd_enabled,
        isa, isas, memory_stats, reset_peak, set_flush_denormal, set_num_threads, set_winograd,
    };
    #[pymodule_export]
    use crate::saved::{Saved, capture, unpack_saved};
    #[pymodule_export]
    use crate::tensor::{TensorBase, before_write, register_tensor_type};

    #[pymodule_export]
    use crate::backend::backend;
    #[cfg(feature = "testing")]
    #[pymodule_export]
    use crate::testing::testing;

    use pyo3::exceptions::PyRuntimeError;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        ferrograd_cpu::isa::init().map_err(PyRuntimeError::new_err)?;
        ferrograd_cpu::parallel::init().map_err(PyRuntimeError::new_err)?;
        ferrograd_cpu::conv::winograd::init().map_err(PyRuntimeError::new_err)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("ShapeError", crate::error::shape_error(py)?)?;
        module.add("IntegerDivisionError", crate::error::division_error(py)?)?;
        module.add("DTypeError", crate::error::dtype_error(py)?)
    }
}
