use ferrograd_array::{Array, Error, Result, Shape};

use super::channel::{Map, Summands, map, sums};
use super::{Gradients, row};
use crate::dense::{Around, alike, dense};
use crate::reduce::{self, by_float};
use crate::simd::{Float, Simd};

/// Batch normalisation by the statistics of the batch: `y = (x − mean_c) · rstd_c · weight_c + bias_c`, then
/// `max(y, 0)` where `relu`. Mean and biased variance are taken over all dimensions but the second.
///
/// Where running statistics are given they are updated in place, `r ← (1 − momentum) · r + momentum · statistic`, with
/// the unbiased variance. Returns `(y, mean, rstd)`.
pub fn batch_norm(
    x: &Array,
    weight: Option<&Array>,
    bias: Option<&Array>,
    running: Option<(&Array, &Array)>,
    momentum: f64,
    eps: f64,
    relu: bool,
) -> Result<(Array, Array, Array)> {
    by_float!("batch_norm", x, train(x, weight, bias, running, momentum, eps, relu))
}

/// Batch normalisation by given statistics.
pub fn batch_norm_eval(
    x: &Array,
    weight: Option<&Array>,
    bias: Option<&Array>,
    mean: &Array,
    var: &Array,
    eps: f64,
    relu: bool,
) -> Result<Array> {
    by_float!("batch_norm_eval", x, eval(x, weight, bias, mean, var, eps, relu))
}

/// The gradients of [`batch_norm`], as far as `needs` asks for them; `y` is its result where it had the activation.
/// With `m` elements a channel, `x̂ = (x − mean) · rstd`, and `g` set to 0 where the activation cut:
/// `dx = weight · rstd · (g − Σ g / m − x̂ · Σ g x̂ / m)`, `dweight = Σ g x̂`, `dbias = Σ g`.
pub fn batch_norm_grad(
    g: &Array,
    x: &Array,
    y: Option<&Array>,
    weight: Option<&Array>,
    mean: &Array,
    rstd: &Array,
    needs: [bool; 3],
) -> Result<Gradients> {
    by_float!("batch_norm_grad", x, backward("batch_norm_grad", g, x, y, weight, mean, rstd, true, needs))
}

/// The gradients of [`batch_norm_eval`]: as [`batch_norm_grad`] with `dx = weight · rstd · g`.
pub fn batch_norm_eval_grad(
    g: &Array,
    x: &Array,
    y: Option<&Array>,
    weight: Option<&Array>,
    mean: &Array,
    var: &Array,
    eps: f64,
    needs: [bool; 3],
) -> Result<Gradients> {
    by_float!("batch_norm_eval_grad", x, eval_backward(g, x, y, weight, mean, var, eps, needs))
}

fn channels(op: &str, x: &Array) -> Result<usize> {
    match x.shape() {
        [_, c, ..] => Ok(*c),
        other => Err(Error::shape(op, "input", "shape (N, C) or (N, C, *)", Shape(other))),
    }
}

/// A dense `x` seen from its channels; a single one is one plane.
fn around(x: &Array) -> Around {
    match Around::new(x.layout(), 1) {
        Around { outer, n: 1, .. } => Around { outer: (outer > 0) as usize, n: 1, inner: outer.max(1) },
        other => other,
    }
}

/// `1/√(var + eps)`, channel by channel.
fn rstd_of<T: Float>(var: &Array, eps: f64) -> Result<Array> {
    let out = Array::empty(var.shape(), T::DTYPE)?;
    for c in 0..var.numel() {
        // SAFETY: both are contiguous rows of one length.
        unsafe { *out.ptr_mut::<T>().add(c) = T::from_f64(1.0 / ((*var.ptr::<T>().add(c)).to_f64() + eps).sqrt()) };
    }
    Ok(out)
}

/// `weight · rstd`, channel by channel.
fn scale_of<T: Float>(weight: &Array, rstd: &Array) -> Result<Array> {
    let out = Array::empty(rstd.shape(), T::DTYPE)?;
    for c in 0..rstd.numel() {
        // SAFETY: all are contiguous rows of one length.
        unsafe { *out.ptr_mut::<T>().add(c) = *weight.ptr::<T>().add(c) * *rstd.ptr::<T>().add(c) };
    }
    Ok(out)
}

#[derive(Clone, Copy)]
struct Normalize {
    relu: bool,
}

impl<T: Float> Map<T> for Normalize {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, [x, ..]: [S::V; 3], [mean, scale, bias, _]: [S::V; 4]) -> S::V {
        let y = s.fma(s.sub(x, mean), scale, bias);
        if self.relu { s.select(s.lt(y, s.zero()), s.zero(), y) } else { y }
    }
}

fn normalize<T: Float>(
    x: &Array,
    weight: &Array,
    bias: &Array,
    mean: &Array,
    rstd: &Array,
    relu: bool,
) -> Result<Array> {
    let out = Array::empty_like(x, x.shape(), T::DTYPE)?;
    let scale = scale_of::<T>(weight, rstd)?;
    map::<T>(Normalize { relu }, around(x), [x; 3], [mean, &scale, bias, mean], &out)?;
    Ok(out)
}

fn train<T: Float>(
    x: &Array,
    weight: Option<&Array>,
    bias: Option<&Array>,
    running: Option<(&Array, &Array)>,
    momentum: f64,
    eps: f64,
    relu: bool,
) -> Result<(Array, Array, Array)> {
    let op = "batch_norm";
    let c = channels(op, x)?;
    let weight = row::<T>(op, "weight", weight, &[c], T::ONE)?;
    let bias = row::<T>(op, "bias", bias, &[c], T::ZERO)?;
    if let Some((mean, var)) = running {
        row::<T>(op, "running_mean", Some(mean), &[c], T::ZERO)?;
        row::<T>(op, "running_var", Some(var), &[c], T::ZERO)?;
    }
    let m = x.numel() / c.max(1);
    if m == 1 {
        return Err(Error::value(
            op,
            "input",
            "more than 1 value per channel when training",
            format_args!("shape {}", Shape(x.shape())),
        ));
    }
    let x = dense(x)?;
    let (mean, var) = moments::<T>(&x, m)?;
    let rstd = rstd_of::<T>(&var, eps)?;
    if let (Some((running_mean, running_var)), true) = (running, m > 0) {
        update::<T>(running_mean, &mean, momentum, 1.0);
        update::<T>(running_var, &var, momentum, m as f64 / (m as f64 - 1.0));
    }
    Ok((normalize::<T>(&x, &weight, &bias, &mean, &rstd, relu)?, mean, rstd))
}

/// `Σ d` and `Σ d²` with `d = x − mean`
#[derive(Clone, Copy)]
struct Deviations;

impl<T: Float> Summands<T> for Deviations {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, [x, ..]: [S::V; 3], [mean, ..]: [S::V; 4]) -> [S::V; 2] {
        let d = s.sub(x, mean);
        [d, s.mul(d, d)]
    }
}

/// Mean and biased variance of each channel; what rounding leaves in the mean is found with the squares and taken out
/// of both.
fn moments<T: Float>(x: &Array, m: usize) -> Result<(Array, Array)> {
    let over: Vec<isize> = (0..x.ndim() as isize).filter(|&k| k != 1).collect();
    let mean = reduce::mean(x, &over, false)?;
    let sums = sums::<T>(Deviations, around(x), [x; 3], [&mean; 4])?;
    let var = Array::empty(mean.shape(), T::DTYPE)?;
    let c = mean.numel();
    for k in 0..c {
        // SAFETY: all are contiguous, of c elements and of 2 · c.
        unsafe {
            let [first, second] = [0, 1].map(|part| (*sums.ptr::<T>().add(part * c + k)).to_f64() / m as f64);
            let value = second - first * first;
            *mean.ptr_mut::<T>().add(k) += T::from_f64(first);
            *var.ptr_mut::<T>().add(k) = T::from_f64(if value < 0.0 { 0.0 } else { value });
        }
    }
    Ok((mean, var))
}

/// `running ← (1 − momentum) · running + momentum · factor · new`
fn update<T: Float>(running: &Array, new: &Array, momentum: f64, factor: f64) {
    let stride = running.strides()[0];
    for c in 0..new.numel() {
        // SAFETY: both have a dimension of that size; `new` is contiguous.
        unsafe {
            let at = running.ptr_mut::<T>().offset(c as isize * stride);
            let value = (1.0 - momentum) * (*at).to_f64() + momentum * factor * (*new.ptr::<T>().add(c)).to_f64();
            *at = T::from_f64(value);
        }
    }
}

fn eval<T: Float>(
    x: &Array,
    weight: Option<&Array>,
    bias: Option<&Array>,
    mean: &Array,
    var: &Array,
    eps: f64,
    relu: bool,
) -> Result<Array> {
    let op = "batch_norm_eval";
    let c = channels(op, x)?;
    let weight = row::<T>(op, "weight", weight, &[c], T::ONE)?;
    let bias = row::<T>(op, "bias", bias, &[c], T::ZERO)?;
    let mean = row::<T>(op, "running_mean", Some(mean), &[c], T::ZERO)?;
    let var = row::<T>(op, "running_var", Some(var), &[c], T::ZERO)?;
    normalize::<T>(&dense(x)?, &weight, &bias, &mean, &rstd_of::<T>(&var, eps)?, relu)
}

/// The gradient behind the activation: 0 where it cut; NaN passes.
#[inline(always)]
fn behind<T: Float, S: Simd<T>>(s: S, relu: bool, g: S::V, y: S::V) -> S::V {
    if relu { s.select(s.le(y, s.zero()), s.zero(), g) } else { g }
}

/// `Σ g` and `Σ g (x − mean)`
#[derive(Clone, Copy)]
struct Sums {
    relu: bool,
}

impl<T: Float> Summands<T> for Sums {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, [g, x, y]: [S::V; 3], [mean, ..]: [S::V; 4]) -> [S::V; 2] {
        let g = behind(s, self.relu, g, y);
        [g, s.mul(g, s.sub(x, mean))]
    }
}

/// `scale · (g − a − (x − mean) · b)`
#[derive(Clone, Copy)]
struct InputGradient {
    relu: bool,
}

impl<T: Float> Map<T> for InputGradient {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, [g, x, y]: [S::V; 3], [mean, scale, a, b]: [S::V; 4]) -> S::V {
        let g = behind(s, self.relu, g, y);
        s.mul(scale, s.sub(s.sub(g, a), s.mul(s.sub(x, mean), b)))
    }
}

/// `scale · g`
#[derive(Clone, Copy)]
struct Scaled {
    relu: bool,
}

impl<T: Float> Map<T> for Scaled {
    #[inline(always)]
    fn apply<S: Simd<T>>(self, s: S, [g, _, y]: [S::V; 3], [_, scale, ..]: [S::V; 4]) -> S::V {
        s.mul(scale, behind(s, self.relu, g, y))
    }
}

fn eval_backward<T: Float>(
    g: &Array,
    x: &Array,
    y: Option<&Array>,
    weight: Option<&Array>,
    mean: &Array,
    var: &Array,
    eps: f64,
    needs: [bool; 3],
) -> Result<Gradients> {
    let op = "batch_norm_eval_grad";
    let var = row::<T>(op, "running_var", Some(var), &[channels(op, x)?], T::ZERO)?;
    backward::<T>(op, g, x, y, weight, mean, &rstd_of::<T>(&var, eps)?, false, needs)
}

fn backward<T: Float>(
    op: &str,
    g: &Array,
    x: &Array,
    y: Option<&Array>,
    weight: Option<&Array>,
    mean: &Array,
    rstd: &Array,
    training: bool,
    needs: [bool; 3],
) -> Result<Gradients> {
    let c = channels(op, x)?;
    let weight = row::<T>(op, "weight", weight, &[c], T::ONE)?;
    let mean = row::<T>(op, "mean", Some(mean), &[c], T::ZERO)?;
    let rstd = row::<T>(op, "rstd", Some(rstd), &[c], T::ZERO)?;
    let x = dense(x)?;
    let g = alike(op, "grad", g, &x)?;
    let y = y.map(|y| alike(op, "result", y, &x)).transpose()?;
    let relu = y.is_some();
    let inputs = [&g, &x, y.as_ref().unwrap_or(&g)];
    let around = around(&x);
    let scale = scale_of::<T>(&weight, &rstd)?;
    let want_sums = needs[1] || needs[2] || (needs[0] && training);
    if !want_sums {
        let dx = if needs[0] { Some(Array::empty_like(&x, x.shape(), T::DTYPE)?) } else { None };
        if let Some(dx) = &dx {
            map::<T>(Scaled { relu }, around, inputs, [&mean, &scale, &mean, &mean], dx)?;
        }
        return Ok([dx, None, None]);
    }
    let sums = sums::<T>(Sums { relu }, around, inputs, [&mean; 4])?;
    // `Σ g` and `Σ g (x − mean)`, channel by channel; the latter is turned into `Σ g x̂`.
    let part = |k: usize| sums.view(sums.layout().sliced(0, k, 1, 1).reshaped(&[c]).expect("a contiguous row"));
    let (total, products) = (part(0), part(1));
    let (a, b) = (Array::empty(&[c], T::DTYPE)?, Array::empty(&[c], T::DTYPE)?);
    let m = (x.numel() / c.max(1)) as f64;
    for k in 0..c {
        // SAFETY: all are contiguous rows of c elements.
        unsafe {
            let rstd = (*rstd.ptr::<T>().add(k)).to_f64();
            let product = products.ptr_mut::<T>().add(k);
            *a.ptr_mut::<T>().add(k) = T::from_f64((*total.ptr::<T>().add(k)).to_f64() / m);
            *b.ptr_mut::<T>().add(k) = T::from_f64((*product).to_f64() * rstd * rstd / m);
            // Of no elements the sum is 0, whatever their deviation.
            *product = T::from_f64(if m > 0.0 { (*product).to_f64() * rstd } else { 0.0 });
        }
    }
    let dx = match needs[0] {
        false => None,
        true => {
            let dx = Array::empty_like(&x, x.shape(), T::DTYPE)?;
            match training {
                true => map::<T>(InputGradient { relu }, around, inputs, [&mean, &scale, &a, &b], &dx)?,
                false => map::<T>(Scaled { relu }, around, inputs, [&mean, &scale, &mean, &mean], &dx)?,
            }
            Some(dx)
        }
    };
    Ok([dx, needs[1].then_some(products), needs[2].then_some(total)])
}
