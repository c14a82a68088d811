//! Convolution over one to three dimensions and its two gradients, each other's gradients in turn.
//!
//! One strategy serves every shape: blocks of the source are gathered into cache with their padding and channels
//! innermost ([`block`]), and one microkernel ([`microkernel`]) multiplies them with packed weights, whatever stride,
//! dilation or memory order there was. Three kinds have their own: depthwise convolutions read the source where it lies
//! ([`depthwise`]); kernels of one element are matrix products ([`pointwise`]); kernels of 3 × 3 (and
//! D × 3 × 3) at stride 1 in f32 over enough channels go by Winograd's algorithm ([`winograd`]), which has a switch.
//!
//! Results lie channels-last, so that a chain of layers reads neighbours; a weight's gradient lies row-major.

mod block;
mod depthwise;
mod direct;
mod geometry;
mod microkernel;
mod pointwise;
#[cfg(feature = "testing")]
mod tests;
mod weight;
pub mod winograd;

use ferrograd_array::{Array, DType, Error, Layout, Result, Shape, Strides};

pub use geometry::Window;

use crate::activation::Activation;
use crate::gemm::Matrix;
use crate::parallel::SyncPtr;
use crate::simd::Float;
use crate::{denormals, path};
use block::Source;
use direct::{Pass, Weights};
use geometry::{Axis, Geometry, Names};
use pointwise::Points;
use weight::WeightPass;

/// activation(x ⋆ w + bias): x (N, C, *sizes), w (O, C / groups, *kernel), bias (O,) → (N, O, *out) with
/// out = ⌊(size + padding - dilation·(kernel - 1) - 1) / stride⌋ + 1.
pub fn conv(x: &Array, w: &Array, bias: Option<&Array>, window: &Window, activation: Activation) -> Result<Array> {
    let names = Names { op: "conv", input: "input", weight: "weight" };
    check_dtypes("conv", [("input", Some(x)), ("weight", Some(w)), ("bias", bias)])?;
    let geometry = Geometry::new(names, x.shape(), w.shape(), window)?;
    if let Some(bias) = bias.filter(|bias| bias.shape() != [geometry.c_out]) {
        return Err(Error::shape("conv", "bias", Shape(&[geometry.c_out]), Shape(bias.shape())));
    }
    let out = channels_last(&geometry.out_shape(), x.dtype())?;
    match x.dtype() {
        DType::F32 if winograd::pays(&geometry, sizes(&geometry, |axis| axis.out)) => {
            path!("conv/winograd", parallel);
            let bias = bias.map(contiguous::<f32>).transpose()?;
            let pass = winograd::Pass {
                n: geometry.n,
                rows: geometry.c_out,
                channels: geometry.c_in,
                source: source(x),
                source_sizes: sizes(&geometry, |axis| axis.size),
                offset: geometry.axes.each_ref().map(|axis| -(axis.padding as isize)),
                depth: geometry.axes[0].kernel,
                weights: &Weights {
                    ptr: w.ptr(),
                    group: 0,
                    row: w.strides()[0],
                    channel: w.strides()[1],
                    taps: tap_strides(w),
                },
                turned: false,
                dst: SyncPtr::new(out.ptr_mut()),
                sizes: sizes(&geometry, |axis| axis.out),
                bias: bias.as_ref().map(|bias| SyncPtr::new(bias.ptr_mut())),
                activation,
                work: geometry.work(),
            };
            // SAFETY: the geometry was checked against the arrays; `out` is new.
            denormals::flushed(|| unsafe { pass.run() })?
        }
        DType::F32 => forward::<f32>(&geometry, x, w, bias, activation, &out)?,
        _ => forward::<f64>(&geometry, x, w, bias, activation, &out)?,
    }
    Ok(out)
}

/// The gradient of `conv`'s input, of `input_shape`, from the gradient of its result: what it would be called the
/// transposed convolution of.
pub fn conv_input_grad(grad: &Array, w: &Array, input_shape: &[usize], window: &Window) -> Result<Array> {
    let names = Names { op: "conv_input_grad", input: "input_shape", weight: "weight" };
    check_dtypes(names.op, [("grad", Some(grad)), ("weight", Some(w)), ("", None)])?;
    let geometry = Geometry::new(names, input_shape, w.shape(), window)?;
    check_grad(names.op, grad, &geometry)?;
    let out = channels_last(&geometry.in_shape(), grad.dtype())?;
    match grad.dtype() {
        DType::F32 if winograd::pays(&geometry, sizes(&geometry, |axis| axis.size)) => {
            path!("conv_input_grad/winograd", parallel);
            let pass = winograd::Pass {
                n: geometry.n,
                rows: geometry.c_in,
                channels: geometry.c_out,
                source: source(grad),
                source_sizes: sizes(&geometry, |axis| axis.out),
                offset: geometry.axes.each_ref().map(|axis| axis.padding as isize + 1 - axis.kernel as isize),
                depth: geometry.axes[0].kernel,
                weights: &Weights {
                    ptr: w.ptr(),
                    group: 0,
                    row: w.strides()[1],
                    channel: w.strides()[0],
                    taps: tap_strides(w),
                },
                turned: true,
                dst: SyncPtr::new(out.ptr_mut()),
                sizes: sizes(&geometry, |axis| axis.size),
                bias: None,
                activation: Activation::None,
                work: geometry.work(),
            };
            // SAFETY: the geometry was checked against the arrays; `out` is new.
            denormals::flushed(|| unsafe { pass.run() })?
        }
        DType::F32 => backward::<f32>(&geometry, grad, w, &out)?,
        _ => backward::<f64>(&geometry, grad, w, &out)?,
    }
    Ok(out)
}

/// The gradient of `conv`'s weight, of `weight_shape`, from the gradient of its result.
pub fn conv_weight_grad(grad: &Array, x: &Array, weight_shape: &[usize], window: &Window) -> Result<Array> {
    let names = Names { op: "conv_weight_grad", input: "input", weight: "weight_shape" };
    check_dtypes(names.op, [("grad", Some(grad)), ("input", Some(x)), ("", None)])?;
    let geometry = Geometry::new(names, x.shape(), weight_shape, window)?;
    check_grad(names.op, grad, &geometry)?;
    let out = Array::empty(weight_shape, x.dtype())?;
    match x.dtype() {
        DType::F32 if winograd::pays(&geometry, sizes(&geometry, |axis| axis.out)) => {
            path!("conv_weight_grad/winograd", parallel);
            let pass = winograd::WeightPass {
                n: geometry.n,
                rows: geometry.c_out,
                channels: geometry.c_in,
                grad: source(grad),
                sizes: sizes(&geometry, |axis| axis.out),
                source: source(x),
                source_sizes: sizes(&geometry, |axis| axis.size),
                offset: geometry.axes.each_ref().map(|axis| -(axis.padding as isize)),
                depth: geometry.axes[0].kernel,
                dst: SyncPtr::new(out.ptr_mut()),
                work: geometry.work(),
            };
            // SAFETY: the geometry was checked against the arrays; `out` is new.
            denormals::flushed(|| unsafe { pass.run() })?
        }
        DType::F32 => weight_grad::<f32>(&geometry, grad, x, &out)?,
        _ => weight_grad::<f64>(&geometry, grad, x, &out)?,
    }
    Ok(out)
}

fn check_dtypes(op: &str, operands: [(&str, Option<&Array>); 3]) -> Result<()> {
    let mut first: Option<(&str, DType)> = None;
    for (name, array) in operands {
        let Some(dtype) = array.map(Array::dtype) else { continue };
        match first {
            None if !matches!(dtype, DType::F32 | DType::F64) => {
                return Err(Error::dtype(op, name, "float32 or float64 (cast it)", dtype));
            }
            None => first = Some((name, dtype)),
            Some((of, expected)) if dtype != expected => {
                let cure = format!("{expected}, as {of} has (convert one with .to('{expected}') or .to('{dtype}'))");
                return Err(Error::dtype(op, name, cure, dtype));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn check_grad(op: &str, grad: &Array, geometry: &Geometry) -> Result<()> {
    let expected = geometry.out_shape();
    if grad.shape() != expected.as_slice() {
        return Err(Error::shape(op, "grad", Shape(&expected), Shape(grad.shape())));
    }
    Ok(())
}

/// New memory for (N, C, *sizes) with the channels innermost.
fn channels_last(shape: &[usize], dtype: DType) -> Result<Array> {
    let mut layout = Layout::contiguous(shape);
    // Where that is row-major too, row-major strides say so to everybody.
    if shape[1] != 1 && shape[2..].iter().any(|&d| d != 1) {
        let mut strides = Strides::from_elem(1, shape.len());
        let mut step = shape[1].max(1) as isize;
        for k in (2..shape.len()).rev().chain([0]) {
            strides[k] = step;
            step = step.saturating_mul(shape[k].max(1) as isize);
        }
        layout.strides = strides;
    }
    Array::with_layout(layout, dtype)
}

/// Strides of a result along n, d, h, w.
fn result_strides(sizes: [usize; 3], channels: usize) -> [isize; 4] {
    let w = channels;
    let h = w * sizes[2];
    let d = h * sizes[1];
    [(d * sizes[0]) as isize, d as isize, h as isize, w as isize]
}

fn sizes(geometry: &Geometry, of: impl Fn(&Axis) -> usize) -> [usize; 3] {
    geometry.axes.each_ref().map(of)
}

fn source<T: Float>(array: &Array) -> Source<T> {
    let s = array.strides();
    let mut strides = [s[0], s[1], 0, 0, 0];
    strides[5 - (s.len() - 2)..].copy_from_slice(&s[2..]);
    Source { ptr: array.ptr::<T>(), strides }
}

/// Strides of the kernel's three dimensions.
fn tap_strides(w: &Array) -> [isize; 3] {
    let s = &w.strides()[2..];
    let mut strides = [0; 3];
    strides[3 - s.len()..].copy_from_slice(s);
    strides
}

fn contiguous<T: Float>(vector: &Array) -> Result<Array> {
    if vector.is_contiguous() { Ok(vector.clone()) } else { Array::from_slice(&vector.to_vec::<T>(), vector.shape()) }
}

/// The array, or a copy, with neighbouring channels.
fn channels_innermost(array: &Array) -> Result<Array> {
    if array.strides()[1] == 1 {
        return Ok(array.clone());
    }
    let order: Vec<usize> = [0].into_iter().chain(2..array.ndim()).chain([1]).collect();
    crate::copy::ordered(array, &order)
}

/// As many groups as channels on both sides.
fn is_depthwise(geometry: &Geometry) -> bool {
    geometry.groups > 1 && geometry.groups == geometry.c_in && geometry.groups == geometry.c_out
}

fn forward<T: Float>(
    geometry: &Geometry,
    x: &Array,
    w: &Array,
    bias: Option<&Array>,
    activation: Activation,
    out: &Array,
) -> Result<()> {
    if out.numel() == 0 {
        return Ok(());
    }
    let Geometry { n, c_in, c_out, groups, .. } = *geometry;
    let source = source::<T>(x);
    let bias = bias.map(contiguous::<T>).transpose()?;
    let bias = bias.as_ref().map(|bias| bias.ptr_mut::<T>());
    let points = Points::new(n, sizes(geometry, |axis| axis.size), &source);
    let (ws, dst) = (w.strides(), out.ptr_mut::<T>());
    if geometry.is_pointwise() && groups == 1 && points.image.is_some() {
        path!("conv/pointwise");
        let count = sizes(geometry, |axis| axis.out).iter().product();
        let w = Matrix::new(w.ptr::<T>(), ws[0], ws[1]);
        // SAFETY: the geometry was checked against the arrays; `out` is new.
        return unsafe {
            pointwise::forward(
                n,
                count,
                c_out,
                c_in,
                source,
                &points,
                w,
                bias.map(<*mut T>::cast_const),
                activation,
                dst,
            )
        };
    }
    if is_depthwise(geometry) {
        let x = channels_innermost(x)?;
        path!("conv/depthwise", parallel);
        let pass = depthwise::Pass {
            n,
            channels: c_in,
            source: self::source(&x),
            weights: Weights { ptr: w.ptr(), group: 0, row: ws[0], channel: 0, taps: tap_strides(w) },
            kernel: sizes(geometry, |axis| axis.kernel),
            dst: SyncPtr::new(dst),
            dst_strides: result_strides(sizes(geometry, |axis| axis.out), c_out),
            bias: bias.map(SyncPtr::new),
            activation,
            lattices: &[geometry.forward()],
            work: geometry.work(),
        };
        // SAFETY: as above.
        return denormals::flushed(|| unsafe { pass.run() });
    }
    path!("conv/direct", parallel);
    let rows = c_out / groups;
    let pass = Pass {
        n,
        groups,
        rows,
        channels: c_in / groups,
        source,
        weights: Weights {
            ptr: w.ptr::<T>(),
            group: rows as isize * ws[0],
            row: ws[0],
            channel: ws[1],
            taps: tap_strides(w),
        },
        dst: SyncPtr::new(dst),
        dst_strides: result_strides(sizes(geometry, |axis| axis.out), c_out),
        bias: bias.map(SyncPtr::new),
        activation,
        lattices: &[geometry.forward()],
        work: geometry.work(),
    };
    // SAFETY: as above.
    denormals::flushed(|| unsafe { pass.run() })
}

fn backward<T: Float>(geometry: &Geometry, grad: &Array, w: &Array, out: &Array) -> Result<()> {
    if out.numel() == 0 {
        return Ok(());
    }
    let Geometry { n, c_in, c_out, groups, .. } = *geometry;
    let source = source::<T>(grad);
    let points = Points::new(n, sizes(geometry, |axis| axis.out), &source);
    let (ws, dst) = (w.strides(), out.ptr_mut::<T>());
    if geometry.is_pointwise() && groups == 1 && points.image.is_some() {
        path!("conv_input_grad/pointwise");
        let count = sizes(geometry, |axis| axis.out).iter().product();
        let w = Matrix::new(w.ptr::<T>(), ws[1], ws[0]);
        // SAFETY: the geometry was checked against the arrays; `out` is new.
        return unsafe { pointwise::forward(n, count, c_in, c_out, source, &points, w, None, Activation::None, dst) };
    }
    let (lattices, complete) = geometry.backward();
    if !complete {
        // SAFETY: `out` is new and dense.
        unsafe { std::ptr::write_bytes(dst, 0, out.numel()) };
    }
    if is_depthwise(geometry) {
        let grad = channels_innermost(grad)?;
        path!("conv_input_grad/depthwise", parallel);
        let pass = depthwise::Pass {
            n,
            channels: c_in,
            source: self::source(&grad),
            weights: Weights { ptr: w.ptr(), group: 0, row: ws[0], channel: 0, taps: tap_strides(w) },
            kernel: sizes(geometry, |axis| axis.kernel),
            dst: SyncPtr::new(dst),
            dst_strides: result_strides(sizes(geometry, |axis| axis.size), c_in),
            bias: None,
            activation: Activation::None,
            lattices: &lattices,
            work: geometry.work(),
        };
        // SAFETY: as above.
        return denormals::flushed(|| unsafe { pass.run() });
    }
    path!("conv_input_grad/direct", parallel);
    let (rows, channels) = (c_in / groups, c_out / groups);
    let pass = Pass {
        n,
        groups,
        rows,
        channels,
        source,
        weights: Weights {
            ptr: w.ptr::<T>(),
            group: channels as isize * ws[0],
            row: ws[1],
            channel: ws[0],
            taps: tap_strides(w),
        },
        dst: SyncPtr::new(dst),
        dst_strides: result_strides(sizes(geometry, |axis| axis.size), c_in),
        bias: None,
        activation: Activation::None,
        lattices: &lattices,
        work: geometry.work(),
    };
    // SAFETY: as above.
    denormals::flushed(|| unsafe { pass.run() })
}

fn weight_grad<T: Float>(geometry: &Geometry, grad: &Array, x: &Array, out: &Array) -> Result<()> {
    if out.numel() == 0 {
        return Ok(());
    }
    let Geometry { n, c_in, c_out, groups, .. } = *geometry;
    if n == 0 {
        // SAFETY: `out` is new and dense.
        unsafe { std::ptr::write_bytes(out.ptr_mut::<T>(), 0, out.numel()) };
        return Ok(());
    }
    let (grads, inputs) = (source::<T>(grad), source::<T>(x));
    let layout = |source| Points::new(n, sizes(geometry, |axis| axis.out), source).all;
    let dst = out.ptr_mut::<T>();
    if geometry.is_pointwise()
        && groups == 1
        && let (Some(g_step), Some(x_step)) = (layout(&grads), layout(&inputs))
    {
        path!("conv_weight_grad/pointwise");
        let count = sizes(geometry, |axis| axis.out).iter().fold(n, |a, b| a * b);
        // SAFETY: the geometry was checked against the arrays; `out` is new.
        return unsafe { pointwise::weight(count, c_out, c_in, (grads, g_step), (inputs, x_step), dst) };
    }
    if is_depthwise(geometry) {
        let (grad, x) = (channels_innermost(grad)?, channels_innermost(x)?);
        path!("conv_weight_grad/depthwise", parallel);
        let pass = depthwise::WeightPass {
            n,
            channels: c_in,
            grad: source(&grad),
            source: source(&x),
            kernel: sizes(geometry, |axis| axis.kernel),
            dst: SyncPtr::new(dst),
            lattice: &geometry.forward(),
            work: geometry.work(),
        };
        // SAFETY: as above.
        return denormals::flushed(|| unsafe { pass.run() });
    }
    path!("conv_weight_grad/direct", parallel);
    let pass = WeightPass {
        n,
        groups,
        rows: c_out / groups,
        channels: c_in / groups,
        grad: grads,
        source: inputs,
        dst: SyncPtr::new(dst),
        lattice: &geometry.forward(),
        work: geometry.work(),
    };
    // SAFETY: as above.
    denormals::flushed(|| unsafe { pass.run() })
}
