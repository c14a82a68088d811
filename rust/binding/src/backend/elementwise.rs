use ferrograd_array::{Array, DType, Kind, Result};
use ferrograd_cpu::elementwise as cpu;
use pyo3::prelude::*;

use super::{needs_grad, result, with_out};
use crate::error;
use crate::modes;
use crate::operand::{Operand, Value, result_dtype};
use crate::tensor::{TensorBase, as_tensor};

type Any<'a, 'py> = &'a Bound<'py, PyAny>;
type Out<'a, 'py> = Option<&'a Bound<'py, TensorBase>>;
type UnaryKernel = fn(&Array, Option<&Array>) -> Result<Array>;
type BinaryKernel = fn(&Array, &Array, Option<&Array>) -> Result<Array>;

/// What the operands become before the kernel sees them.
#[derive(Clone, Copy, PartialEq)]
enum Promote {
    /// Their common dtype.
    Common,
    /// Their common dtype, the default float for integers.
    Float,
}

impl Promote {
    fn apply(self, dtype: DType) -> DType {
        if self == Promote::Float && dtype.kind() != Kind::Float { DType::F32 } else { dtype }
    }
}

fn numel(operand: &Operand) -> usize {
    match &operand.value {
        Value::Array(a) => a.numel(),
        Value::Number(_) => 1,
    }
}

/// The operands promoted to one dtype; whether the result requires a gradient; the elements of the largest.
fn promoted<const N: usize>(
    op: &str,
    names: [&str; N],
    objects: [Any<'_, '_>; N],
    promote: Promote,
) -> PyResult<([Array; N], bool, usize)> {
    let py = objects[0].py();
    let mut operands = Vec::with_capacity(N);
    for (name, object) in names.iter().zip(objects) {
        operands.push(Operand::extract(op, name, object)?);
    }
    let requires_grad = operands.iter().any(|o| o.requires_grad) && modes::recording();
    let dtype = promote.apply(result_dtype(operands.iter()));
    let work = operands.iter().map(numel).max().unwrap_or(0);
    let mut arrays = Vec::with_capacity(N);
    for (name, operand) in names.iter().zip(operands) {
        arrays.push(operand.array(op, name, dtype).map_err(|e| error::to_py(py, e))?);
    }
    let arrays = arrays.try_into().unwrap_or_else(|_| unreachable!("as many arrays as objects"));
    Ok((arrays, requires_grad, work))
}

/// A binary op whose operands are promoted to one dtype.
fn binary<'py>(
    op: &str,
    names: [&str; 2],
    x: Any<'_, 'py>,
    y: Any<'_, 'py>,
    out: Out<'_, 'py>,
    promote: Promote,
    kernel: BinaryKernel,
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    // The commonest case without a copy of what describes the operands: two small tensors of one dtype.
    if out.is_none()
        && let (Some(a), Some(b)) = (as_tensor(x), as_tensor(y))
    {
        let (a, b) = (a.borrow(), b.borrow());
        a.check_fresh()?;
        b.check_fresh()?;
        let dtype = a.array.dtype();
        if dtype == b.array.dtype()
            && promote.apply(dtype) == dtype
            && !error::releases_gil(a.array.numel().max(b.array.numel()))
        {
            let requires_grad = (a.requires_grad || b.requires_grad) && modes::recording();
            return result(py, error::guarded(py, || kernel(&a.array, &b.array, None))?, requires_grad);
        }
    }
    let ([x, y], requires_grad, work) = promoted(op, names, [x, y], promote)?;
    with_out(op, out, py, work, requires_grad, |out| kernel(&x, &y, out))
}

macro_rules! binary {
    ($($name:ident($x:ident, $y:ident): $promote:ident;)*) => {$(
        #[pyfunction]
        #[pyo3(signature = ($x, $y, out=None))]
        pub fn $name<'py>($x: Any<'_, 'py>, $y: Any<'_, 'py>, out: Out<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
            let names = [stringify!($x), stringify!($y)];
            binary(stringify!($name), names, $x, $y, out, Promote::$promote, cpu::$name)
        }
    )*};
}

binary! {
    add(input, other): Common;
    sub(input, other): Common;
    mul(input, other): Common;
    div(input, other): Float;
    pow(input, exponent): Common;
    maximum(input, other): Common;
    minimum(input, other): Common;
    floor_divide(input, other): Common;
    remainder(input, other): Common;
    fmod(input, other): Common;
    atan2(input, other): Float;
    hypot(input, other): Float;
    copysign(input, other): Float;
    logaddexp(input, other): Float;
    xlogy(input, other): Float;
    eq(input, other): Common;
    ne(input, other): Common;
    lt(input, other): Common;
    le(input, other): Common;
    gt(input, other): Common;
    ge(input, other): Common;
    logical_and(input, other): Common;
    logical_or(input, other): Common;
    logical_xor(input, other): Common;
    bitwise_and(input, other): Common;
    bitwise_or(input, other): Common;
    bitwise_xor(input, other): Common;
    abs_grad(grad, input): Common;
    relu_grad(grad, result): Common;
    sigmoid_grad(grad, result): Common;
    tanh_grad(grad, result): Common;
    silu_grad(grad, input): Common;
    gelu_grad(grad, input): Common;
    gelu_tanh_grad(grad, input): Common;
}

/// An op of one operand.
fn unary<'py>(
    op: &str,
    x: Any<'_, 'py>,
    out: Out<'_, 'py>,
    promote: Promote,
    kernel: impl FnOnce(&Array, Option<&Array>) -> Result<Array> + Send,
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    if out.is_none()
        && let Some(a) = as_tensor(x)
    {
        let a = a.borrow();
        a.check_fresh()?;
        if promote.apply(a.array.dtype()) == a.array.dtype() && !error::releases_gil(a.array.numel()) {
            let requires_grad = a.requires_grad && modes::recording();
            return result(py, error::guarded(py, || kernel(&a.array, None))?, requires_grad);
        }
    }
    let ([x], requires_grad, work) = promoted(op, ["input"], [x], promote)?;
    with_out(op, out, py, work, requires_grad, |out| kernel(&x, out))
}

macro_rules! unary {
    ($promote:ident: $($name:ident),*) => {$(
        #[pyfunction]
        #[pyo3(signature = (input, out=None))]
        pub fn $name<'py>(input: Any<'_, 'py>, out: Out<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
            let kernel: UnaryKernel = cpu::$name;
            unary(stringify!($name), input, out, Promote::$promote, kernel)
        }
    )*};
}

unary!(Float: exp, expm1, log, log1p, sqrt, rsqrt, reciprocal, tanh, sigmoid, erf, sin, cos);
unary!(Float: tan, asin, acos, atan, sinh, cosh, asinh, acosh, atanh, log2, log10, exp2, erfc, erfinv, lgamma);
unary!(Common: neg, abs, square, sign, floor, ceil, trunc, round, relu, silu, gelu, gelu_tanh);
unary!(Common: logical_not, bitwise_not, isnan, isinf, isfinite, signbit);

/// The derivative `order + 1` of log Γ.
#[pyfunction]
#[pyo3(signature = (input, order, out=None))]
pub fn polygamma<'py>(input: Any<'_, 'py>, order: u32, out: Out<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    unary("polygamma", input, out, Promote::Float, |x, out| cpu::polygamma(x, order, out))
}

/// Ops with attributes: of one operand, and of a gradient with what was saved.
macro_rules! with_attributes {
    ($($name:ident($($attribute:ident),*), $name_grad:ident;)*) => {$(
        #[pyfunction]
        #[pyo3(signature = (input, $($attribute,)* out=None))]
        pub fn $name<'py>(input: Any<'_, 'py>, $($attribute: f64,)* out: Out<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
            unary(stringify!($name), input, out, Promote::Common, |x, out| cpu::$name(x, $($attribute,)* out))
        }

        #[pyfunction]
        #[pyo3(signature = (grad, input, $($attribute,)* out=None))]
        pub fn $name_grad<'py>(
            grad: Any<'_, 'py>,
            input: Any<'_, 'py>,
            $($attribute: f64,)*
            out: Out<'_, 'py>,
        ) -> PyResult<Bound<'py, PyAny>> {
            let op = stringify!($name_grad);
            let ([g, x], requires_grad, work) = promoted(op, ["grad", "input"], [grad, input], Promote::Common)?;
            with_out(op, out, grad.py(), work, requires_grad, |out| cpu::$name_grad(&g, &x, $($attribute,)* out))
        }
    )*};
}

with_attributes! {
    leaky_relu(negative_slope), leaky_relu_grad;
    elu(alpha), elu_grad;
    softplus(beta, threshold), softplus_grad;
    hardtanh(min_val, max_val), hardtanh_grad;
}

/// Ops of three operands of one dtype.
macro_rules! ternary {
    ($($name:ident($x:ident, $y:ident, $z:ident $(, $attribute:ident)?);)*) => {$(
        #[pyfunction]
        #[pyo3(signature = ($x, $y, $z, $($attribute,)? out=None))]
        pub fn $name<'py>(
            $x: Any<'_, 'py>,
            $y: Any<'_, 'py>,
            $z: Any<'_, 'py>,
            $($attribute: f64,)?
            out: Out<'_, 'py>,
        ) -> PyResult<Bound<'py, PyAny>> {
            let (op, names) = (stringify!($name), [stringify!($x), stringify!($y), stringify!($z)]);
            let py = $x.py();
            let ([x, y, z], requires_grad, work) = promoted(op, names, [$x, $y, $z], Promote::Common)?;
            with_out(op, out, py, work, requires_grad, |out| cpu::$name(&x, &y, &z, $($attribute,)? out))
        }
    )*};
}

ternary! {
    lerp(input, end, weight);
    addcmul(input, tensor1, tensor2, value);
    maximum_grad(grad, input, other);
    minimum_grad(grad, input, other);
}

/// `input` where the condition holds, else `other`.
#[pyfunction]
#[pyo3(name = "where", signature = (condition, input, other, out=None))]
pub fn where_<'py>(
    condition: Any<'_, 'py>,
    input: Any<'_, 'py>,
    other: Any<'_, 'py>,
    out: Out<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = condition.py();
    let condition = Operand::extract("where", "condition", condition)?;
    let condition = condition.into_array("where", "condition").map_err(|e| error::to_py(py, e))?;
    let ([x, y], requires_grad, work) = promoted("where", ["input", "other"], [input, other], Promote::Common)?;
    with_out("where", out, py, work.max(condition.numel()), requires_grad, |out| cpu::where_(&condition, &x, &y, out))
}

/// Operands of which the last two may be missing.
fn bounded<const N: usize>(
    op: &str,
    names: [&str; N],
    objects: [Any<'_, '_>; N],
    bounds: [Option<Any<'_, '_>>; 2],
) -> PyResult<([Array; N], [Option<Array>; 2], bool, usize)> {
    let py = objects[0].py();
    let mut operands = Vec::with_capacity(N + 2);
    for (name, object) in names.iter().zip(objects) {
        operands.push(Operand::extract(op, name, object)?);
    }
    for (name, bound) in ["min", "max"].into_iter().zip(bounds) {
        if let Some(bound) = bound {
            operands.push(Operand::extract(op, name, bound)?);
        }
    }
    let requires_grad = needs_grad(&operands.iter().collect::<Vec<_>>());
    let dtype = result_dtype(operands.iter());
    let work = operands.iter().map(numel).max().unwrap_or(0);
    let mut operands = operands.into_iter();
    let mut next = |name: &str| -> PyResult<Array> {
        let operand = operands.next().expect("pushed above");
        operand.array(op, name, dtype).map_err(|e| error::to_py(py, e))
    };
    let mut arrays = Vec::with_capacity(N);
    for name in names {
        arrays.push(next(name)?);
    }
    let min = bounds[0].map(|_| next("min")).transpose()?;
    let max = bounds[1].map(|_| next("max")).transpose()?;
    let arrays = arrays.try_into().unwrap_or_else(|_| unreachable!("as many arrays as objects"));
    Ok((arrays, [min, max], requires_grad, work))
}

/// `input` between the bounds, either of which may be None.
#[pyfunction]
#[pyo3(signature = (input, min=None, max=None, out=None))]
pub fn clip<'py>(
    input: Any<'_, 'py>,
    min: Option<Any<'_, 'py>>,
    max: Option<Any<'_, 'py>>,
    out: Out<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let ([x], [min, max], requires_grad, work) = bounded("clip", ["input"], [input], [min, max])?;
    with_out("clip", out, input.py(), work, requires_grad, |out| cpu::clip(&x, min.as_ref(), max.as_ref(), out))
}

/// `grad` where `input` is within the bounds, else 0.
#[pyfunction]
#[pyo3(signature = (grad, input, min=None, max=None))]
pub fn clip_grad<'py>(
    grad: Any<'_, 'py>,
    input: Any<'_, 'py>,
    min: Option<Any<'_, 'py>>,
    max: Option<Any<'_, 'py>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = grad.py();
    let ([g, x], [min, max], requires_grad, work) = bounded("clip_grad", ["grad", "input"], [grad, input], [min, max])?;
    result(py, error::call(py, work, || cpu::clip_grad(&g, &x, min.as_ref(), max.as_ref()))?, requires_grad)
}

/// Of the difference of `input` and `target`, held within ±delta.
#[pyfunction]
#[pyo3(signature = (input, target, delta, scale, out=None))]
pub fn huber<'py>(
    input: Any<'_, 'py>,
    target: Any<'_, 'py>,
    delta: f64,
    scale: f64,
    out: Out<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let op = "huber";
    let ([x, y], requires_grad, work) = promoted(op, ["input", "target"], [input, target], Promote::Float)?;
    with_out(op, out, input.py(), work, requires_grad, |out| cpu::huber(&x, &y, delta, scale, out))
}

#[pyfunction]
#[pyo3(signature = (grad, input, target, delta, scale, out=None))]
pub fn huber_grad<'py>(
    grad: Any<'_, 'py>,
    input: Any<'_, 'py>,
    target: Any<'_, 'py>,
    delta: f64,
    scale: f64,
    out: Out<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let (op, names) = ("huber_grad", ["grad", "input", "target"]);
    let ([g, x, y], requires_grad, work) = promoted(op, names, [grad, input, target], Promote::Float)?;
    with_out(op, out, grad.py(), work, requires_grad, |out| cpu::huber_grad(&g, &x, &y, delta, scale, out))
}
