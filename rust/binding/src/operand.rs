//! What a user may give as an operand: a Tensor, an ndarray of any layout, a number, a (nested) list.

use ferrograd_array::{Array, DType, Error, Kind, promote};
use numpy::PyUntypedArray;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyTuple};

use crate::tensor::as_tensor;
use crate::{error, numpy as np};

/// A value whose dtype is settled by what it meets.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    Bool(bool),
    Int(i64),
    Float(f64),
}

impl Number {
    /// The dtype that it has on its own: PyTorch's defaults.
    pub fn default_dtype(self) -> DType {
        match self {
            Number::Bool(_) => DType::Bool,
            Number::Int(_) => DType::I64,
            Number::Float(_) => DType::F32,
        }
    }

    /// A 0-d array of this value.
    pub fn array(self, op: &str, argument: &str, dtype: DType) -> Result<Array, Error> {
        let float = match self {
            Number::Bool(b) => b as u8 as f64,
            Number::Int(i) => i as f64,
            Number::Float(f) => f,
        };
        let int = || match self {
            Number::Bool(b) => b as i64,
            Number::Int(i) => i,
            Number::Float(f) => f as i64,
        };
        let range = |low: i64, high: i64| {
            let i = int();
            if (low..=high).contains(&i) {
                Ok(i)
            } else {
                Err(Error::value(op, argument, format_args!("a value of {dtype}, {low} to {high}"), i))
            }
        };
        match dtype {
            DType::Bool => {
                let out = Array::empty(&[], DType::Bool)?;
                // SAFETY: one element of new memory.
                unsafe { *out.ptr_mut::<u8>() = (float != 0.0) as u8 };
                Ok(out)
            }
            DType::U8 => Array::scalar(range(0, 255)? as u8),
            DType::I32 => Array::scalar(range(i32::MIN as i64, i32::MAX as i64)? as i32),
            DType::I64 => Array::scalar(int()),
            DType::F16 => Array::scalar(half::f16::from_f64(float)),
            DType::BF16 => Array::scalar(half::bf16::from_f64(float)),
            DType::F32 => Array::scalar(float as f32),
            DType::F64 => Array::scalar(float),
        }
    }
}

pub enum Value {
    Array(Array),
    Number(Number),
}

/// An operand as it came in.
pub struct Operand {
    pub value: Value,
    pub requires_grad: bool,
}

impl Operand {
    pub fn extract(op: &str, argument: &str, object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(tensor) = as_tensor(object) {
            let t = tensor.borrow();
            t.check_fresh()?;
            return Ok(Self { value: Value::Array(t.array.clone()), requires_grad: t.requires_grad });
        }
        Ok(Self { value: extract_foreign(op, argument, object)?, requires_grad: false })
    }

    pub fn dtype(&self) -> DType {
        match &self.value {
            Value::Array(a) => a.dtype(),
            Value::Number(n) => n.default_dtype(),
        }
    }

    /// The operand as an array of `dtype`.
    pub fn array(self, op: &str, argument: &str, dtype: DType) -> Result<Array, Error> {
        match self.value {
            Value::Array(a) if a.dtype() == dtype => Ok(a),
            Value::Array(a) => ferrograd_cpu::cast(&a, dtype),
            Value::Number(n) => n.array(op, argument, dtype),
        }
    }

    /// The operand as an array of its own dtype.
    pub fn into_array(self, op: &str, argument: &str) -> Result<Array, Error> {
        let dtype = self.dtype();
        self.array(op, argument, dtype)
    }
}

/// A number or an ndarray as a value.
pub fn extract_foreign(op: &str, argument: &str, object: &Bound<'_, PyAny>) -> PyResult<Value> {
    if object.is_instance_of::<PyBool>() {
        return Ok(Value::Number(Number::Bool(object.extract()?)));
    }
    if object.is_instance_of::<PyFloat>() {
        return Ok(Value::Number(Number::Float(object.extract()?)));
    }
    if object.is_instance_of::<PyInt>() {
        return match object.extract::<i64>() {
            Ok(i) => Ok(Value::Number(Number::Int(i))),
            Err(_) => {
                Err(error::to_py(object.py(), Error::value(op, argument, "an integer of 64 bits", object.str()?)))
            }
        };
    }
    if let Some(array) = np::as_ndarray(object) {
        return Ok(Value::Array(np::import(&format!("{op}: {argument}"), array)?));
    }
    if np::is_numpy_scalar(object) {
        let array = object.call_method0("__array__")?;
        let array = np::import(&format!("{op}: {argument}"), array.cast::<PyUntypedArray>()?)?;
        let item = object.call_method0("item")?;
        return match array.dtype().kind() {
            Kind::Bool => Ok(Value::Number(Number::Bool(item.extract()?))),
            Kind::Int => Ok(Value::Number(Number::Int(item.extract()?))),
            Kind::Float => Ok(Value::Number(Number::Float(item.extract()?))),
        };
    }
    Err(PyTypeError::new_err(format!(
        "{op}: {argument}: expected a Tensor, an ndarray or a number, got {}",
        object.get_type().fully_qualified_name()?
    )))
}

/// The dtype that an op on these operands computes in.
#[pyfunction]
#[pyo3(signature = (*operands))]
pub fn result_type(operands: &Bound<'_, PyTuple>) -> PyResult<&'static str> {
    if operands.is_empty() {
        return Err(PyTypeError::new_err("result_type: expected at least one operand"));
    }
    let operands: Vec<Operand> =
        operands.iter().map(|o| Operand::extract("result_type", "operand", &o)).collect::<PyResult<_>>()?;
    Ok(result_dtype(&operands).name())
}

/// PyTorch's promotion: arrays of one dimension or more decide; 0-d arrays and then numbers count only where they are
/// of a higher category.
pub fn result_dtype<'a>(operands: impl IntoIterator<Item = &'a Operand> + Clone) -> DType {
    let join = |a: Option<DType>, b: DType| Some(a.map_or(b, |a| promote(a, b)));
    let (mut full, mut zero, mut number) = (None, None, None);
    for operand in operands {
        match &operand.value {
            Value::Array(a) if a.ndim() > 0 => full = join(full, a.dtype()),
            Value::Array(a) => zero = join(zero, a.dtype()),
            Value::Number(n) => number = join(number, n.default_dtype()),
        }
    }
    let higher = |base: Option<DType>, other: Option<DType>| match (base, other) {
        (Some(b), Some(o)) if o.kind() > b.kind() => Some(o),
        (Some(b), _) => Some(b),
        (None, o) => o,
    };
    higher(higher(full, zero), number).expect("an op has an operand")
}
