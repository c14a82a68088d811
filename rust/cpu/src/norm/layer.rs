use ferrograd_array::{Array, Error, Result, Shape};

use super::{Gradients, row};
use crate::contiguous;
use crate::dense::streams_rows;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::reduce::{self, Sum, by_float, lanes_below, segment_sums};
use crate::simd::{Float, Kernel, Simd, inlined, streamed, vectorize};

/// Elements of a task, about.
const TASK: usize = 16 * 1024;
/// Rows whose weight gradients are added straight on.
const ROWS: usize = 64;
const TASKS: usize = 64;

/// `y = (x − mean) · rstd · weight + bias` over the trailing dimensions `normalized`, with `rstd = 1/√(var + eps)` and
/// the biased variance. Returns `(y, mean, rstd)`, the latter two of the shape of the leading dimensions.
pub fn layer_norm(
    x: &Array,
    normalized: &[usize],
    weight: Option<&Array>,
    bias: Option<&Array>,
    eps: f64,
) -> Result<(Array, Array, Array)> {
    by_float!("layer_norm", x, forward(x, normalized, weight, bias, eps))
}

/// The gradients of [`layer_norm`], as far as `needs` asks for them. With `h = g · weight`:
/// `dx = rstd · (h − mean(h) − x̂ · mean(h · x̂))`, `dweight = Σ g · x̂`, `dbias = Σ g`.
pub fn layer_norm_grad(
    g: &Array,
    x: &Array,
    normalized: &[usize],
    weight: Option<&Array>,
    mean: &Array,
    rstd: &Array,
    needs: [bool; 3],
) -> Result<Gradients> {
    by_float!("layer_norm_grad", x, backward(g, x, normalized, weight, mean, rstd, needs))
}

/// The number of leading dimensions.
fn leading(op: &str, x: &Array, normalized: &[usize]) -> Result<usize> {
    if normalized.is_empty() {
        return Err(Error::shape(op, "normalized_shape", "one dimension or more", "()"));
    }
    if !x.shape().ends_with(normalized) {
        let sizes: Vec<String> = normalized.iter().map(usize::to_string).collect();
        return Err(Error::shape(op, "input", format_args!("shape (*, {})", sizes.join(", ")), Shape(x.shape())));
    }
    Ok(x.ndim() - normalized.len())
}

fn rows(x: &Array) -> Result<Array> {
    if x.is_contiguous() { Ok(x.clone()) } else { contiguous(x) }
}

fn forward<T: Float>(
    x: &Array,
    normalized: &[usize],
    weight: Option<&Array>,
    bias: Option<&Array>,
    eps: f64,
) -> Result<(Array, Array, Array)> {
    path!("layer_norm", parallel);
    let lead = leading("layer_norm", x, normalized)?;
    let weight = row::<T>("layer_norm", "weight", weight, normalized, T::ONE)?;
    let bias = row::<T>("layer_norm", "bias", bias, normalized, T::ZERO)?;
    let x = rows(x)?;
    let n: usize = normalized.iter().product();
    let (y, mean, rstd) = (
        Array::empty(x.shape(), T::DTYPE)?,
        Array::empty(&x.shape()[..lead], T::DTYPE)?,
        Array::empty(&x.shape()[..lead], T::DTYPE)?,
    );
    let out = [&y, &mean, &rstd].map(|a| SyncPtr::new(a.ptr_mut::<T>()));
    let block = (TASK / n.max(1)).max(1);
    parallel::for_range(mean.numel(), block, n as f64 * 0.6 + 5.0, |first, last| {
        vectorize(Forward {
            x: x.ptr(),
            weight: weight.ptr(),
            bias: bias.ptr(),
            out: out.map(SyncPtr::get),
            first,
            last,
            n,
            eps,
            stream: streams_rows::<T>(&y, n),
        });
    });
    Ok((y, mean, rstd))
}

struct Forward<T> {
    x: *const T,
    weight: *const T,
    bias: *const T,
    out: [*mut T; 3],
    first: usize,
    last: usize,
    n: usize,
    eps: f64,
    stream: bool,
}

impl<T: Float> Kernel<T> for Forward<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let n = self.n;
        let [y, means, rstds] = self.out;
        for r in self.first..self.last {
            // SAFETY: the arrays are contiguous, with n elements a row; each task has its own rows.
            unsafe {
                let (x, y) = (self.x.add(r * n), y.add(r * n));
                let count = T::from_f64(n as f64);
                let (mean, var) = moments(s, x, n, count);
                let rstd = T::from_f64(1.0 / (var.to_f64() + self.eps).sqrt());
                (*means.add(r), *rstds.add(r)) = (mean, rstd);
                let (mean, rstd) = (s.splat(mean), s.splat(rstd));
                let mut i = 0;
                while i + S::LANES <= n {
                    let unit = s.mul(s.sub(s.load(x.add(i)), mean), rstd);
                    let v = s.fma(unit, s.load(self.weight.add(i)), s.load(self.bias.add(i)));
                    s.put(y.add(i), v, self.stream);
                    i += S::LANES;
                }
                if i < n {
                    let part = n - i;
                    let unit = s.mul(s.sub(s.load_partial(x.add(i), part), mean), rstd);
                    let (w, b) = (s.load_partial(self.weight.add(i), part), s.load_partial(self.bias.add(i), part));
                    s.store_some(y.add(i), part, s.fma(unit, w, b));
                }
            }
        }
        if self.stream {
            streamed();
        }
    }
}

/// Mean and biased variance of a row; what rounding leaves in the mean is found with the squares and taken out of both.
#[inline(always)]
unsafe fn moments<T: Float, S: Simd<T>>(s: S, x: *const T, n: usize, count: T) -> (T, T) {
    // SAFETY: as the caller's: n elements.
    let mean = unsafe { reduce::dense::<T, S, Sum>(s, x, n, s.zero()) } / count;
    let center = s.splat(mean);
    let [first, second]: [T; 2] = segment_sums::<T, S, 2, 4>(
        s,
        n,
        #[inline(always)]
        |i, part| {
            // SAFETY: as above.
            let d = s.sub(unsafe { s.load_some(x.add(i), part) }, center);
            let d = if part == S::LANES { d } else { s.select(lanes_below(s, part), d, s.zero()) };
            [d, s.mul(d, d)]
        },
    );
    let rest = first / count;
    let var = second / count - rest * rest;
    (mean + rest, if var < T::ZERO { T::ZERO } else { var })
}

fn backward<T: Float>(
    g: &Array,
    x: &Array,
    normalized: &[usize],
    weight: Option<&Array>,
    mean: &Array,
    rstd: &Array,
    needs: [bool; 3],
) -> Result<Gradients> {
    path!("layer_norm_grad", parallel);
    let op = "layer_norm_grad";
    let lead = leading(op, x, normalized)?;
    let weight = row::<T>(op, "weight", weight, normalized, T::ONE)?;
    let g = row::<T>(op, "grad", Some(g), x.shape(), T::ZERO)?;
    let mean = row::<T>(op, "mean", Some(mean), &x.shape()[..lead], T::ZERO)?;
    let rstd = row::<T>(op, "rstd", Some(rstd), &x.shape()[..lead], T::ZERO)?;
    let x = rows(x)?;
    let n: usize = normalized.iter().product();
    let count = mean.numel();
    // The sums of a task are written and read again: few tasks where there are many rows.
    let block = (TASK / n.max(1)).max(count / TASKS).clamp(1, ROWS);
    let blocks = count.div_ceil(block);
    let dx = if needs[0] { Some(Array::empty(x.shape(), T::DTYPE)?) } else { None };
    let parameters = needs[1] || needs[2];
    let partial = Array::empty(&[if parameters { blocks } else { 0 }, 2, n], T::DTYPE)?;
    let out = dx.as_ref().map_or(SyncPtr::new(std::ptr::null_mut()), |a| SyncPtr::new(a.ptr_mut::<T>()));
    let sums = SyncPtr::new(partial.ptr_mut::<T>());
    parallel::run(blocks, (count * n) as f64 * 1.0, |b| {
        vectorize(Backward {
            g: g.ptr::<T>(),
            x: x.ptr(),
            weight: weight.ptr(),
            mean: mean.ptr(),
            rstd: rstd.ptr(),
            dx: out.get(),
            sums: if parameters { sums.get().wrapping_add(b * 2 * n) } else { std::ptr::null_mut() },
            first: b * block,
            last: ((b + 1) * block).min(count),
            n,
            stream: dx.as_ref().is_some_and(|dx| streams_rows::<T>(dx, n)),
        });
    });
    if !parameters {
        return Ok([dx, None, None]);
    }
    let total = reduce::sum(&partial, &[0], false)?;
    let part = |k: usize| total.view(total.layout().sliced(0, k, 1, 1).reshaped(normalized).expect("a contiguous row"));
    Ok([dx, needs[1].then(|| part(0)), needs[2].then(|| part(1))])
}

struct Backward<T> {
    g: *const T,
    x: *const T,
    weight: *const T,
    mean: *const T,
    rstd: *const T,
    dx: *mut T,
    sums: *mut T,
    first: usize,
    last: usize,
    n: usize,
    stream: bool,
}

impl<T: Float> Kernel<T> for Backward<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let n = self.n;
        // SAFETY: the arrays are contiguous, with n elements a row; each task has its own rows and sums.
        unsafe {
            if !self.sums.is_null() {
                std::slice::from_raw_parts_mut(self.sums, 2 * n).fill(T::ZERO);
            }
            for r in self.first..self.last {
                let (g, x) = (self.g.add(r * n), self.x.add(r * n));
                let (mean, rstd) = (s.splat(*self.mean.add(r)), s.splat(*self.rstd.add(r)));
                let w = self.weight;
                let parts = inlined(
                    #[inline(always)]
                    |i: usize, part: usize| {
                        let g = s.load_some(g.add(i), part);
                        (
                            g,
                            s.mul(g, s.load_some(w.add(i), part)),
                            s.mul(s.sub(s.load_some(x.add(i), part), mean), rstd),
                        )
                    },
                );
                let mut means = [s.zero(); 2];
                if !self.dx.is_null() {
                    let sums: [T; 2] = segment_sums::<T, S, 2, 4>(
                        s,
                        n,
                        #[inline(always)]
                        |i, part| {
                            let (_, h, unit) = parts(i, part);
                            [h, s.mul(h, unit)]
                        },
                    );
                    let count = T::from_f64(n as f64);
                    means = [s.splat(sums[0] / count), s.splat(sums[1] / count)];
                }
                let mut i = 0;
                while i < n {
                    let part = S::LANES.min(n - i);
                    let (g, h, unit) = parts(i, part);
                    if !self.dx.is_null() {
                        let inner = s.sub(s.sub(h, means[0]), s.mul(unit, means[1]));
                        let (to, v) = (self.dx.add(r * n + i), s.mul(rstd, inner));
                        s.put_some(to, part, v, self.stream);
                    }
                    if !self.sums.is_null() {
                        let (dw, db) = (self.sums.add(i), self.sums.add(n + i));
                        s.store_some(dw, part, s.fma(g, unit, s.load_some(dw, part)));
                        s.store_some(db, part, s.add(g, s.load_some(db, part)));
                    }
                    i += part;
                }
            }
        }
        if self.stream {
            streamed();
        }
    }
}
