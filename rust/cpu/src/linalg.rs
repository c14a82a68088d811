//! Matrix products of arrays: `matmul` with PyTorch's meaning, and `linear` with its bias and activation.

use std::borrow::Cow;

use ferrograd_array::{Array, DType, Dims, Element, Error, Layout, Result, Shape, Strides, broadcast_shapes};

use crate::activation::Activation;
use crate::gemm::{BatchDim, Bias, Epilogue, Matrix, MatrixMut, gemm_batched};
use crate::path;
use crate::simd::Float;
use crate::{copy, elementwise, reduce};

/// x · y. Two vectors give their dot product; a vector with a matrix, a vector; more dimensions are batches of
/// matrices (…, m, k) · (…, k, n), whose leading dimensions broadcast. Integers wrap around, as in NumPy.
pub fn matmul(x: &Array, y: &Array) -> Result<Array> {
    for (name, array) in [("x", x), ("y", y)] {
        if array.ndim() == 0 {
            return Err(Error::shape("matmul", name, "at least 1 dimension", "a 0-d array"));
        }
        if matches!(array.dtype(), DType::Bool | DType::F16 | DType::BF16) {
            return Err(Error::dtype("matmul", name, "float32, float64, int32, int64 or uint8", array.dtype()));
        }
    }
    if x.dtype() != y.dtype() {
        return Err(Error::dtype("matmul", "y", format_args!("{} as x has", x.dtype()), y.dtype()));
    }
    let operands = Operands::new(x, y)?;
    let out = Array::empty(&operands.out_shape(), x.dtype())?;
    match x.dtype() {
        DType::F32 => operands.float::<f32>(&out)?,
        DType::F64 => operands.float::<f64>(&out)?,
        DType::I32 => operands.integer::<i32>(&out),
        DType::I64 => operands.integer::<i64>(&out),
        DType::U8 => operands.integer::<u8>(&out),
        DType::Bool | DType::F16 | DType::BF16 => unreachable!("refused above"),
    }
    Ok(out)
}

/// activation(x · wᵀ + b) for x (*, in), w (out, in), b (out,). Where w is `constant`, what is packed of it is kept for the
/// next call.
pub fn linear(x: &Array, w: &Array, b: Option<&Array>, activation: Activation, constant: bool) -> Result<Array> {
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        return Err(Error::dtype("linear", "x", "float32 or float64", x.dtype()));
    }
    for (name, array) in [("weight", Some(w)), ("bias", b)] {
        if let Some(array) = array.filter(|array| array.dtype() != x.dtype()) {
            return Err(Error::dtype("linear", name, format_args!("{} as x has", x.dtype()), array.dtype()));
        }
    }
    let &[outputs, inputs] = w.shape() else {
        return Err(Error::shape("linear", "weight", "2 dimensions (out, in)", Shape(w.shape())));
    };
    if x.shape().last() != Some(&inputs) {
        return Err(Error::shape(
            "linear",
            "x",
            format_args!("(*, {inputs}) for a weight of {}", Shape(w.shape())),
            Shape(x.shape()),
        ));
    }
    if let Some(b) = b.filter(|b| b.shape() != [outputs]) {
        return Err(Error::shape("linear", "bias", Shape(&[outputs]), Shape(b.shape())));
    }
    let mut shape = Dims::from_slice(x.shape());
    *shape.last_mut().expect("x has a last dimension") = outputs;
    let out = Array::empty(&shape, x.dtype())?;
    match x.dtype() {
        DType::F32 => linear_into::<f32>(x, w, b, activation, constant, &out)?,
        _ => linear_into::<f64>(x, w, b, activation, constant, &out)?,
    }
    Ok(out)
}

/// The gradients of [`linear`] for x, w and b, those that `needs` asks for: with e = ∂Q/∂(x·wᵀ + b), made of the gradient
/// `g` of the result, they are e·w, eᵀ·x over all rows, and the sum of e's rows. `result` is what `linear` gave, read where
/// the activation is relu, sigmoid or tanh; `x` is read for gelu, silu and the gradient of w.
pub fn linear_grad(
    g: &Array,
    x: Option<&Array>,
    w: &Array,
    b: Option<&Array>,
    result: Option<&Array>,
    activation: Activation,
    needs: [bool; 3],
) -> Result<[Option<Array>; 3]> {
    let given = |argument, array: Option<_>| {
        array.ok_or_else(|| Error::value("linear_grad", argument, "an array, for this activation or gradient", "None"))
    };
    let input = || linear(given("x", x)?, w, b, Activation::None, false);
    let before = match activation {
        Activation::None => None,
        Activation::Relu => Some(elementwise::relu_grad(g, given("result", result)?, None)?),
        Activation::Sigmoid => Some(elementwise::sigmoid_grad(g, given("result", result)?, None)?),
        Activation::Tanh => Some(elementwise::tanh_grad(g, given("result", result)?, None)?),
        Activation::Gelu => Some(elementwise::gelu_grad(g, &input()?, None)?),
        Activation::Silu => Some(elementwise::silu_grad(g, &input()?, None)?),
    };
    let e = before.as_ref().unwrap_or(g);
    let [needs_x, needs_w, needs_b] = needs;
    let gx = needs_x.then(|| matmul(e, w)).transpose()?;
    let e = if needs_w || needs_b { as_rows(e)? } else { return Ok([gx, None, None]) };
    let weight_grad = || matmul(&e.view(e.layout().permuted(&[1, 0])), &as_rows(given("x", x)?)?);
    let gw = needs_w.then(weight_grad).transpose()?;
    let gb = needs_b.then(|| reduce::sum(&e, &[0], false)).transpose()?;
    Ok([gx, gw, gb])
}

/// All leading dimensions as one; a view where there is one.
fn as_rows(x: &Array) -> Result<Array> {
    let (&last, lead) = x.shape().split_last().expect("a row has a dimension");
    let shape = [lead.iter().product(), last];
    match x.layout().reshaped(&shape) {
        Some(layout) => Ok(x.view(layout)),
        None => {
            let copy = copy::contiguous(x)?;
            Ok(copy.view(Layout::contiguous(&shape)))
        }
    }
}

fn linear_into<T: Float>(
    x: &Array,
    w: &Array,
    b: Option<&Array>,
    activation: Activation,
    constant: bool,
    out: &Array,
) -> Result<()> {
    let weight = w.view(w.layout().permuted(&[1, 0]));
    let row = (x.ndim() == 1).then(|| x.view(matrix_of(x.layout(), 0)));
    let operands = Operands::new(row.as_ref().unwrap_or(x), &weight)?;
    let bias = b.map(contiguous::<T>).transpose()?;
    let bias = bias.as_ref().map_or(Bias::None, |bias| Bias::Columns(bias.ptr::<T>()));
    operands.float_with(out, Epilogue { bias, activation }, constant)
}

fn contiguous<T: Element>(vector: &Array) -> Result<Array> {
    if vector.is_contiguous() { Ok(vector.clone()) } else { Array::from_slice(&vector.to_vec::<T>(), vector.shape()) }
}

/// A vector as a matrix: one row (`dim` 0) or one column (`dim` 1).
fn matrix_of(vector: &Layout, dim: usize) -> Layout {
    let mut out = vector.clone();
    out.shape.insert(dim, 1);
    out.strides.insert(dim, 0);
    out
}

/// Two operands as batches of matrices, with what their product looks like.
struct Operands<'a> {
    x: Cow<'a, Array>,
    y: Cow<'a, Array>,
    /// The leading dimensions of the result.
    batch: Dims,
    m: usize,
    n: usize,
    k: usize,
    x_vector: bool,
    y_vector: bool,
}

impl<'a> Operands<'a> {
    fn new(x: &'a Array, y: &'a Array) -> Result<Self> {
        let (x_vector, y_vector) = (x.ndim() == 1, y.ndim() == 1);
        let (x_shape, y_shape) = (x.shape(), y.shape());
        let (k, y_k) = (x_shape[x_shape.len() - 1], y_shape[if y_vector { 0 } else { y_shape.len() - 2 }]);
        if k != y_k {
            let which = if y_vector { "dimension 0" } else { "dimension -2" };
            return Err(Error::shape(
                "matmul",
                "y",
                format_args!("{k} elements in {which} to go with x of {}", Shape(x_shape)),
                format_args!("{} in {}", y_k, Shape(y_shape)),
            ));
        }
        let lead = |array: &Array| array.ndim().saturating_sub(2);
        let (x_lead, y_lead) = (&x_shape[..lead(x)], &y_shape[..lead(y)]);
        let batch =
            if x_lead == y_lead { Dims::from_slice(x_lead) } else { broadcast_shapes("matmul", "y", x_lead, y_lead)? };
        let matrix = |array: &'a Array, vector: bool, dim: usize| match vector {
            true => Cow::Owned(array.view(matrix_of(array.layout(), dim))),
            false => Cow::Borrowed(array),
        };
        let (x, y) = (matrix(x, x_vector, 0), matrix(y, y_vector, 1));
        let (m, n) = (x.shape()[x.ndim() - 2], y.shape()[y.ndim() - 1]);
        Ok(Self { x, y, batch, m, n, k, x_vector, y_vector })
    }

    fn out_shape(&self) -> Dims {
        let mut shape = self.batch.clone();
        if !self.x_vector {
            shape.push(self.m);
        }
        if !self.y_vector {
            shape.push(self.n);
        }
        shape
    }

    /// The batch dimensions with their steps, neighbours that are one dimension in every operand joined; the batch
    /// and the rows of x joined where y is one matrix for all. Returns the dimensions and (m, row strides of x, out).
    fn dims(&self) -> (Vec<BatchDim>, usize, isize) {
        if self.batch.is_empty() {
            return (Vec::new(), self.m, self.x.strides()[self.x.ndim() - 2]);
        }
        let steps = |array: &Array| -> Strides {
            let lead = array.ndim() - 2;
            let front = Layout {
                shape: Dims::from_slice(&array.shape()[..lead]),
                strides: Strides::from_slice(&array.strides()[..lead]),
                offset: 0,
            };
            front.broadcast_to(&self.batch).strides
        };
        let (x_steps, y_steps) = (steps(&self.x), steps(&self.y));
        let mut dims: Vec<BatchDim> = Vec::with_capacity(self.batch.len());
        // Beside a dimension of size 0 the others may have any size: nothing is read then, but products overflow.
        let mut c = self.m.wrapping_mul(self.n) as isize;
        for d in (0..self.batch.len()).rev() {
            let (size, a, b) = (self.batch[d], x_steps[d], y_steps[d]);
            if size == 1 {
                continue;
            }
            let n = size as isize;
            match dims.last_mut() {
                Some(inner)
                    if inner.a.wrapping_mul(inner.size as isize) == a
                        && inner.b.wrapping_mul(inner.size as isize) == b =>
                {
                    inner.size = inner.size.wrapping_mul(size);
                }
                _ => dims.push(BatchDim { size, a, b, c }),
            }
            c = c.wrapping_mul(n);
        }
        dims.reverse();
        let (mut m, mut row_stride) = (self.m, self.x.strides()[self.x.ndim() - 2]);
        if let Some(&inner) = dims.last()
            && inner.b == 0
            && (m == 1 || inner.a == row_stride.wrapping_mul(m as isize))
        {
            row_stride = if m == 1 { inner.a } else { row_stride };
            m = m.wrapping_mul(inner.size);
            dims.pop();
        }
        (dims, m, row_stride)
    }

    fn float<T: Float>(&self, out: &Array) -> Result<()> {
        self.float_with::<T>(out, Epilogue::NONE, false)
    }

    fn float_with<T: Float>(&self, out: &Array, epilogue: Epilogue<T>, constant: bool) -> Result<()> {
        if out.numel() == 0 {
            return Ok(());
        }
        let (dims, m, row_stride) = self.dims();
        let (n, k) = (self.n, self.k);
        let x = Matrix::new(self.x.ptr::<T>(), row_stride, self.x.strides()[self.x.ndim() - 1]);
        let y_strides = &self.y.strides()[self.y.ndim() - 2..];
        let y = Matrix::new(self.y.ptr::<T>(), y_strides[0], y_strides[1]);
        let y = if constant { y.constant(self.y.buffer()) } else { y };
        let c = MatrixMut::new(out.ptr_mut::<T>(), n as isize, 1);
        // SAFETY: the strides walk over the arrays' own elements, `out` is new, row-major and of the product's shape,
        // and a bias has been checked to have n elements.
        unsafe { gemm_batched(&dims, m, n, k, x, y, c, false, epilogue) }
    }

    fn integer<T: Integer>(&self, out: &Array) {
        path!("matmul/integer");
        if out.numel() == 0 {
            return;
        }
        let (dims, m, row_stride) = self.dims();
        let (n, k) = (self.n, self.k);
        let x_col = self.x.strides()[self.x.ndim() - 1];
        let (y_row, y_col) = (self.y.strides()[self.y.ndim() - 2], self.y.strides()[self.y.ndim() - 1]);
        let count: usize = dims.iter().map(|dim| dim.size).product();
        for index in 0..count {
            let (mut x, mut y, mut c) = (self.x.ptr::<T>(), self.y.ptr::<T>(), out.ptr_mut::<T>());
            let mut left = index;
            for dim in dims.iter().rev() {
                let i = (left % dim.size) as isize;
                left /= dim.size;
                x = x.wrapping_offset(i * dim.a);
                y = y.wrapping_offset(i * dim.b);
                c = c.wrapping_offset(i * dim.c);
            }
            for i in 0..m {
                for j in 0..n {
                    let mut sum = T::default();
                    for p in 0..k {
                        // SAFETY: the strides walk over the arrays' own elements.
                        let (a, b) = unsafe {
                            (
                                *x.offset(i as isize * row_stride + p as isize * x_col),
                                *y.offset(p as isize * y_row + j as isize * y_col),
                            )
                        };
                        sum = sum.multiply_add(a, b);
                    }
                    // SAFETY: `out` has the product's shape, row-major.
                    unsafe { *c.add(i * n + j) = sum };
                }
            }
        }
    }
}

trait Integer: Element + Default {
    /// self + a · b, modulo 2 to the number of bits.
    fn multiply_add(self, a: Self, b: Self) -> Self;
}

macro_rules! integer {
    ($($t:ty)*) => {$(
        impl Integer for $t {
            #[inline]
            fn multiply_add(self, a: Self, b: Self) -> Self {
                self.wrapping_add(a.wrapping_mul(b))
            }
        }
    )*};
}

integer!(i32 i64 u8);

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;
    use crate::isa::{self, Isa};

    fn counting<T: Element>(shape: &[usize], from: impl Fn(f64) -> T) -> Array {
        let n = shape.iter().product::<usize>();
        let values: Vec<T> = (0..n).map(|i| from(((i * 7 + 3) % 11) as f64 - 5.0)).collect();
        Array::from_slice(&values, shape).unwrap()
    }

    fn f32s(shape: &[usize]) -> Array {
        counting(shape, |x| x as f32)
    }

    /// The element of an array at an index of more dimensions, NumPy's way.
    fn at(array: &Array, index: &[usize]) -> f64 {
        let lead = index.len() - array.ndim();
        let layout = array.layout();
        let mut linear = 0;
        for (d, &size) in array.shape().iter().enumerate() {
            linear = linear * size + if size == 1 { 0 } else { index[lead + d] };
        }
        let (f, offset) = (array.dtype(), layout.offset_of(linear) as isize - layout.offset as isize);
        // SAFETY: the offset lies in the layout's extent.
        unsafe {
            match f {
                DType::F32 => *array.ptr::<f32>().offset(offset) as f64,
                DType::F64 => *array.ptr::<f64>().offset(offset),
                DType::I32 => *array.ptr::<i32>().offset(offset) as f64,
                DType::I64 => *array.ptr::<i64>().offset(offset) as f64,
                _ => *array.ptr::<u8>().offset(offset) as f64,
            }
        }
    }

    /// Small whole numbers: every product is exact.
    fn check(x: &Array, y: &Array, shape: &[usize]) {
        let out = matmul(x, y).unwrap();
        assert_eq!(out.shape(), shape, "{x:?} {y:?}");
        let xm = if x.ndim() == 1 { x.view(matrix_of(x.layout(), 0)) } else { x.clone() };
        let ym = if y.ndim() == 1 { y.view(matrix_of(y.layout(), 1)) } else { y.clone() };
        let k = xm.shape()[xm.ndim() - 1];
        let mut full = Dims::from_slice(shape);
        if x.ndim() == 1 {
            full.insert(full.len() - usize::from(y.ndim() > 1), 1);
        }
        if y.ndim() == 1 {
            full.push(1);
        }
        let out = out.view(Layout::contiguous(&full));
        for linear in 0..out.numel() {
            let (mut index, mut left) = (full.clone(), linear);
            for d in (0..full.len()).rev() {
                index[d] = left % full[d];
                left /= full[d];
            }
            let (mut xi, mut yi) = (index.clone(), index.clone());
            let last = full.len() - 1;
            let sum: f64 = (0..k)
                .map(|p| {
                    (xi[last], yi[last - 1]) = (p, p);
                    at(&xm, &xi) * at(&ym, &yi)
                })
                .sum();
            assert_eq!(at(&out, &index), sum, "{x:?} {y:?} at {index:?}");
        }
    }

    fn broadcast(array: Array, shape: &[usize]) -> Array {
        array.view(array.layout().broadcast_to(shape))
    }

    #[test]
    fn constant_weights_are_packed_once_and_give_the_same() {
        for isa in Isa::available() {
            isa::with(isa, || {
                for (rows, inputs, outputs) in
                    [(3, 300, 200), (33, 512, 512), (40, 1100, 70), (150, 600, 3200), (2, 64, 5000)]
                {
                    let x = counting(&[rows, inputs], |v| (v * 0.13) as f32);
                    let w = counting(&[outputs, inputs], |v| (v * 0.07) as f32);
                    let b = counting(&[outputs], |v| v as f32);
                    let call = |constant| {
                        let y = linear(&x, &w, Some(&b), Activation::Relu, constant).unwrap();
                        y.to_vec::<f32>()
                    };
                    let plain = call(false);
                    for time in 0..3 {
                        assert!(call(true) == plain, "{isa:?} {rows}x{inputs}x{outputs}, call {time}");
                    }
                    // SAFETY: an element of the array, which nothing else looks at now.
                    unsafe { *w.ptr_mut::<f32>().add(7) += 1.0 };
                    w.buffer().bump_version();
                    let changed = call(false);
                    assert!(changed != plain);
                    (0..3).for_each(|_| assert!(call(true) == changed));
                }
            });
        }
    }

    #[test]
    fn shapes_are_pytorchs() {
        for isa in Isa::available() {
            isa::with(isa, || {
                for (x, y, out) in [
                    (&[4][..], &[4][..], &[][..]),
                    (&[0], &[0], &[]),
                    (&[3, 4], &[4], &[3]),
                    (&[4], &[4, 5], &[5]),
                    (&[3, 4], &[4, 5], &[3, 5]),
                    (&[3, 0], &[0, 5], &[3, 5]),
                    (&[0, 4], &[4, 5], &[0, 5]),
                    (&[2, 3, 4], &[4, 5], &[2, 3, 5]),
                    (&[2, 3, 4], &[4], &[2, 3]),
                    (&[4], &[2, 4, 5], &[2, 5]),
                    (&[3, 4], &[2, 4, 5], &[2, 3, 5]),
                    (&[2, 1, 3, 4], &[6, 4, 5], &[2, 6, 3, 5]),
                    (&[1, 3, 4], &[7, 1, 4, 5], &[7, 1, 3, 5]),
                    (&[2, 6, 3, 4], &[2, 6, 4, 5], &[2, 6, 3, 5]),
                    (&[2, 6, 1, 4], &[4, 5], &[2, 6, 1, 5]),
                    (&[0, 3, 4], &[4, 5], &[0, 3, 5]),
                ] {
                    check(&f32s(x), &f32s(y), out);
                    check(&counting(x, |v| v), &counting(y, |v| v), out);
                    check(&counting(x, |v| v as i32), &counting(y, |v| v as i32), out);
                    check(&counting(x, |v| v as i64), &counting(y, |v| v as i64), out);
                }
            });
        }
    }

    #[test]
    fn any_layout_without_a_copy() {
        let x = f32s(&[4, 6, 5]);
        let y = f32s(&[5, 8]);
        for x in [
            x.clone(),
            x.view(x.layout().permuted(&[1, 0, 2])),
            x.view(x.layout().sliced(1, 5, -2, 3)),
            x.view(x.layout().sliced(0, 3, -1, 4)),
            broadcast(f32s(&[6, 5]), &[4, 6, 5]),
            broadcast(f32s(&[4, 1, 5]), &[4, 6, 5]),
            broadcast(f32s(&[4, 6, 1]), &[4, 6, 5]),
        ] {
            let mut shape = Dims::from_slice(x.shape());
            shape[2] = 8;
            check(&x, &y, &shape);
            let turned = f32s(&[8, 5]);
            check(&x, &turned.view(turned.layout().permuted(&[1, 0])), &shape);
            check(&x, &broadcast(f32s(&[x.shape()[0], 5, 1]), &[x.shape()[0], 5, 8]), &shape);
        }
    }

    #[test]
    fn leading_dimensions_become_rows() {
        let operands = |x: &Array, y: &Array| {
            let (dims, m, _) = Operands::new(x, y).unwrap().dims();
            (dims.len(), m)
        };
        let x = f32s(&[2, 3, 4, 5]);
        assert_eq!(operands(&x, &f32s(&[5, 6])), (0, 24));
        assert_eq!(operands(&x.view(x.layout().sliced(2, 0, 1, 2)), &f32s(&[5, 6])), (1, 2));
        assert_eq!(operands(&x, &f32s(&[2, 3, 5, 6])), (1, 4));
        assert_eq!(operands(&x.view(x.layout().permuted(&[1, 0, 2, 3])), &f32s(&[5, 6])), (2, 4));
    }

    #[test]
    fn sizes_that_no_memory_holds() {
        let huge = 1usize << 61;
        let long = broadcast(f32s(&[1]), &[huge]);
        assert!(matches!(matmul(&long, &long), Err(Error::Memory(_))));
        let empty = Array::empty(&[0, huge, 1], DType::F32).unwrap();
        let wide = broadcast(f32s(&[1, 1]), &[1, huge]);
        assert_eq!(matmul(&empty, &wide).unwrap().shape(), [0, huge, huge]);
        let ints = Array::empty(&[0, huge, 1], DType::I64).unwrap();
        let wide = broadcast(Array::from_slice(&[1i64], &[1, 1]).unwrap(), &[1, huge]);
        assert_eq!(matmul(&ints, &wide).unwrap().numel(), 0);
        assert!(matches!(matmul(&wide.view(wide.layout().permuted(&[1, 0])), &wide), Err(Error::Memory(_))));
    }

    #[test]
    fn integers_wrap() {
        let x = Array::from_slice(&[200u8, 100], &[2]).unwrap();
        assert_eq!(matmul(&x, &x).unwrap().to_vec::<u8>(), [(200u32 * 200 + 100 * 100) as u8]);
        let x = Array::from_slice(&[i32::MAX, 1], &[2]).unwrap();
        let y = Array::from_slice(&[1, 1], &[2]).unwrap();
        assert_eq!(matmul(&x, &y).unwrap().to_vec::<i32>(), [i32::MIN]);
    }

    #[test]
    fn linear_is_its_formula() {
        for isa in Isa::available() {
            isa::with(isa, || {
                let shapes: [&[usize]; 5] = [&[6], &[5, 6], &[2, 3, 6], &[0, 6], &[2, 0, 3, 6]];
                for lead in shapes {
                    for activation in Activation::ALL {
                        for with_bias in [false, true] {
                            let (x, w) = (counting(lead, |v| v * 0.1), counting(&[7, 6], |v| v * 0.1));
                            let wide = counting(&[14], |v| v * 0.1);
                            let b = with_bias.then(|| wide.view(wide.layout().sliced(0, 13, -2, 7)));
                            let out = linear(&x, &w, b.as_ref(), activation, false).unwrap();
                            assert_eq!(&out.shape()[..lead.len() - 1], &lead[..lead.len() - 1]);
                            assert_eq!(out.shape().last(), Some(&7));
                            let (x, w, y) = (x.to_vec::<f64>(), w.to_vec::<f64>(), out.to_vec::<f64>());
                            let bias = b.map_or(vec![0.0; 7], |b| b.to_vec::<f64>());
                            for (i, &got) in y.iter().enumerate() {
                                let (row, j) = (i / 7, i % 7);
                                let sum = (0..6).map(|p| x[row * 6 + p] * w[j * 6 + p]).sum::<f64>() + bias[j];
                                assert!((got - activation.of(sum)).abs() < 1e-14, "{got} {}", activation.of(sum));
                            }
                        }
                    }
                }
            });
        }
    }

    #[test]
    fn mistakes_are_named() {
        let message = |x: &Array, y: &Array| matmul(x, y).unwrap_err().to_string();
        assert_eq!(
            message(&f32s(&[2, 3]), &f32s(&[4, 5])),
            "matmul: y: expected 3 elements in dimension -2 to go with x of (2, 3), got 4 in (4, 5)"
        );
        assert_eq!(
            message(&f32s(&[2, 3]), &f32s(&[4])),
            "matmul: y: expected 3 elements in dimension 0 to go with x of (2, 3), got 4 in (4,)"
        );
        assert_eq!(message(&f32s(&[]), &f32s(&[4])), "matmul: x: expected at least 1 dimension, got a 0-d array");
        assert_eq!(
            message(&f32s(&[2, 2, 3]), &f32s(&[5, 3, 4])),
            "matmul: y: expected a shape that broadcasts with (2,), got (5,) (dimension -1 is 2 against 5)"
        );
        let double = counting(&[3, 3], |x| x);
        assert_eq!(message(&f32s(&[3, 3]), &double), "matmul: y: expected float32 as x has, got float64");
        for dtype in [DType::Bool, DType::F16, DType::BF16] {
            let x = Array::empty(&[3, 3], dtype).unwrap();
            assert!(matches!(matmul(&x, &x), Err(Error::DType(_))));
            assert!(matches!(linear(&x, &x, None, Activation::None, false), Err(Error::DType(_))));
        }
        let message = |x: &[usize], w: &[usize], b: &[usize]| {
            linear(&f32s(x), &f32s(w), Some(&f32s(b)), Activation::None, false).unwrap_err().to_string()
        };
        assert_eq!(message(&[2, 3], &[5, 4], &[5]), "linear: x: expected (*, 4) for a weight of (5, 4), got (2, 3)");
        assert_eq!(message(&[2, 3], &[3], &[5]), "linear: weight: expected 2 dimensions (out, in), got (3,)");
        assert_eq!(message(&[2, 4], &[5, 4], &[4]), "linear: bias: expected (5,), got (4,)");
        assert!(
            linear(&f32s(&[2, 3]), &double, None, Activation::None, false).unwrap_err().to_string().contains("weight")
        );
    }
}
