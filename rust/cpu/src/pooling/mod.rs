//! Maximum and average over windows of one, two or three dimensions, and their gradients.
//!
//! All is computed in three dimensions `d h w`, those that are missing having size 1. The innermost loop runs along
//! whichever of `w` and the channels lies densest in memory, so that any memory order is taken as it is.

mod adaptive;
mod apart;
mod avg;
mod max;
mod max_grad;

pub use adaptive::{adaptive_avg_pool, adaptive_avg_pool_grad, adaptive_max_pool};
pub use avg::{avg_pool, avg_pool_grad};
pub use max::max_pool;
pub use max_grad::max_pool_grad;

use ferrograd_array::{Array, Dims, Error, Layout, Result, Shape};
use smallvec::SmallVec;

use crate::simd::{Float, Simd};

/// How windows lie, as the caller gives it: a number for each spatial dimension.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    pub kernel_size: &'a [isize],
    pub stride: &'a [isize],
    pub padding: &'a [isize],
    pub dilation: &'a [isize],
    pub ceil_mode: bool,
}

/// One spatial dimension of a checked geometry.
#[derive(Debug, Clone, Copy)]
struct Axis {
    size: usize,
    out: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
}

impl Axis {
    const ONE: Axis = Axis { size: 1, out: 1, kernel: 1, stride: 1, padding: 0, dilation: 1 };

    /// The taps of window `o` that lie inside, `from..to`.
    fn taps(&self, o: usize) -> (usize, usize) {
        let start = (o * self.stride) as isize - self.padding as isize;
        let from = (-start).max(0).unsigned_abs().div_ceil(self.dilation);
        let inside = (self.size as isize - start).max(0).unsigned_abs();
        (from.min(self.kernel), inside.div_ceil(self.dilation).min(self.kernel))
    }

    /// Where tap `k` of window `o` lies; it is inside.
    fn at(&self, o: usize, k: usize) -> usize {
        o * self.stride + k * self.dilation - self.padding
    }

    /// Whether two to four taps make a window, and the windows lie side by side from the first element on, all inside:
    /// what has a loop of its own where the axis lies densest in memory.
    fn is_gapless(&self) -> bool {
        let side_by_side = self.stride == self.kernel && self.padding == 0 && self.dilation == 1;
        side_by_side && self.out * self.kernel <= self.size && (2..=4).contains(&self.kernel)
    }

    /// The windows that lie wholly inside, `from..to`.
    fn interior(&self) -> (usize, usize) {
        let from = self.padding.div_ceil(self.stride).min(self.out);
        let reach = (self.kernel - 1) * self.dilation;
        let to = match (self.size + self.padding).checked_sub(reach + 1) {
            Some(last) => (last / self.stride + 1).min(self.out),
            None => 0,
        };
        (from, to.max(from))
    }
}

/// A checked geometry: batch, channels, and the three spatial dimensions.
struct Geometry {
    n: usize,
    c: usize,
    /// `d h w`.
    axes: [Axis; 3],
    spatial: usize,
    batched: bool,
}

impl Geometry {
    /// `shape` is `(N, C, …)` or `(C, …)` of the input.
    fn new(op: &str, shape: &[usize], window: &Window<'_>) -> Result<Self> {
        let spatial = window.kernel_size.len();
        if !(1..=3).contains(&spatial) {
            return Err(Error::value(op, "kernel_size", "1, 2 or 3 numbers", spatial));
        }
        if shape.len() != spatial + 1 && shape.len() != spatial + 2 {
            return Err(Error::shape(
                op,
                "input",
                format_args!(
                    "{} or {} dimensions, ([N,] C{})",
                    spatial + 1,
                    spatial + 2,
                    [", L", ", H, W", ", D, H, W"][spatial - 1]
                ),
                Shape(shape),
            ));
        }
        for (argument, values, low) in [
            ("kernel_size", window.kernel_size, 1),
            ("stride", window.stride, 1),
            ("padding", window.padding, 0),
            ("dilation", window.dilation, 1),
        ] {
            if values.len() != spatial {
                return Err(Error::value(op, argument, format_args!("{spatial} numbers"), values.len()));
            }
            if let Some(bad) = values.iter().find(|&&v| v < low || v > i32::MAX as isize) {
                return Err(Error::value(op, argument, format_args!("numbers from {low} to {}", i32::MAX), bad));
            }
        }
        let batched = shape.len() == spatial + 2;
        let mut axes = [Axis::ONE; 3];
        for k in 0..spatial {
            let get = |values: &[isize]| values[k] as usize;
            let axis = Axis {
                size: shape[shape.len() - spatial + k],
                out: 0,
                kernel: get(window.kernel_size),
                stride: get(window.stride),
                padding: get(window.padding),
                dilation: get(window.dilation),
            };
            let reach = (axis.kernel - 1) * axis.dilation + 1;
            // PyTorch's bound, which takes no account of dilation.
            if axis.padding > axis.kernel / 2 {
                return Err(Error::value(
                    op,
                    "padding",
                    format_args!("at most half of kernel_size, {}, in spatial dimension {k}", axis.kernel / 2),
                    axis.padding,
                ));
            }
            axes[3 - spatial + k] = Axis { out: output_size(op, k, &axis, reach, window.ceil_mode)?, ..axis };
        }
        let (n, c) = if batched { (shape[0], shape[1]) } else { (1, shape[0]) };
        Ok(Self { n, c, axes, spatial, batched })
    }

    fn shape(&self, size: impl Fn(&Axis) -> usize) -> Dims {
        let lead = [self.n, self.c];
        let lead = if self.batched { &lead[..] } else { &lead[1..] };
        lead.iter().copied().chain(self.axes[3 - self.spatial..].iter().map(size)).collect()
    }

    fn out_shape(&self) -> Dims {
        self.shape(|axis| axis.out)
    }

    fn in_shape(&self) -> Dims {
        self.shape(|axis| axis.size)
    }

    /// Strides of `n c d h w`.
    fn strides(&self, layout: &Layout) -> [isize; 5] {
        let mut strides = [0; 5];
        if self.batched {
            strides[0] = layout.strides[0];
        }
        strides[1] = layout.strides[self.batched as usize];
        for k in 0..self.spatial {
            strides[5 - self.spatial + k] = layout.strides[layout.ndim() - self.spatial + k];
        }
        strides
    }

    /// Elements of the input's and of the output's channel plane.
    fn planes(&self) -> (usize, usize) {
        (self.axes.iter().map(|a| a.size).product(), self.axes.iter().map(|a| a.out).product())
    }

    fn window(&self) -> usize {
        self.axes.iter().map(|a| a.kernel).product()
    }

    /// A batch's own argument: an array of the output's shape.
    fn check_out(&self, op: &str, argument: &str, a: &Array) -> Result<()> {
        let expected = self.out_shape();
        if a.shape() != expected.as_slice() {
            let expected = format!("the shape that these windows give, {}", Shape(&expected));
            return Err(Error::shape(op, argument, expected, Shape(a.shape())));
        }
        Ok(())
    }
}

/// PyTorch's rule, the last window of `ceil_mode` beginning inside the input or its left padding.
fn output_size(op: &str, k: usize, axis: &Axis, reach: usize, ceil_mode: bool) -> Result<usize> {
    let padded = axis.size + 2 * axis.padding;
    let slack = if ceil_mode { axis.stride - 1 } else { 0 };
    let none = || {
        Err(Error::shape(
            op,
            "input",
            format_args!(
                "at least {} in spatial dimension {k}, for a window of {reach}",
                reach.saturating_sub(2 * axis.padding + slack).max(1)
            ),
            axis.size,
        ))
    };
    let mut out = match (padded + slack).checked_sub(reach) {
        Some(free) if axis.size > 0 => free / axis.stride + 1,
        _ => return none(),
    };
    if ceil_mode && (out - 1) * axis.stride >= axis.size + axis.padding {
        out -= 1;
    }
    // A dilated window can step over a short input altogether.
    let probe = Axis { out, ..*axis };
    let border = (out.saturating_sub(1 + probe.kernel * probe.dilation)..out).chain(0..out.min(axis.padding + 1));
    if border.into_iter().any(|o| probe.taps(o).0 >= probe.taps(o).1) {
        return Err(Error::shape(
            op,
            "input",
            format_args!(
                "a size in spatial dimension {k} of which every window of {} taps {} apart has one",
                axis.kernel, axis.dilation
            ),
            axis.size,
        ));
    }
    Ok(out)
}

/// An index in every lane, exact up to [`EXACT`].
#[inline(always)]
fn whole<T: Float, S: Simd<T>>(s: S, x: i64) -> S::V {
    s.splat(T::from_f64(x as f64))
}

/// Indices up to this are exact as f32.
const EXACT: i64 = 1 << 24;

/// Where element `n c d h w` lies.
#[inline(always)]
fn offset(at: [usize; 5], strides: [isize; 5]) -> isize {
    at.iter().zip(strides).map(|(&i, stride)| i as isize * stride).sum()
}

/// Strides of a dense array of a plane along `d h w`, whose `w` step is the smallest of the plane: the steps for which
/// a flat index of the plane is `step · index`. `None` where the plane lies otherwise.
fn flat_step(geometry: &Geometry, strides: &[isize; 5], size: impl Fn(&Axis) -> usize) -> Option<isize> {
    let [_, _, d, h, w] = *strides;
    let sizes = geometry.axes.each_ref().map(size);
    let w = if sizes[2] > 1 {
        w
    } else if sizes[1] > 1 {
        h
    } else {
        d
    };
    let fits =
        (sizes[1] <= 1 || h == w * sizes[2] as isize) && (sizes[0] <= 1 || d == w * (sizes[1] * sizes[2]) as isize);
    fits.then_some(w)
}

/// Taps of a window: where each lies from the window's first one.
type Taps = SmallVec<[(isize, i64); 32]>;

/// Whether the inner loop runs along the channels.
fn channels_inside(geometry: &Geometry, strides: &[isize; 5]) -> bool {
    geometry.c > 1 && (geometry.axes[2].size == 1 || strides[1].unsigned_abs() < strides[4].unsigned_abs())
}

/// Which planes one task has, and how they lie.
struct Planes {
    channels: usize,
    tasks: usize,
}

impl Planes {
    /// Channels that share cache lines go to one task.
    fn new(g: &Geometry, inside: bool) -> Self {
        let channels = if inside { 16.min(g.c) } else { 1 };
        Self { channels, tasks: g.n * g.c.div_ceil(channels) }
    }

    fn of(&self, g: &Geometry, task: usize) -> (usize, std::ops::Range<usize>) {
        let per = g.c.div_ceil(self.channels);
        let from = task % per * self.channels;
        (task / per, from..(from + self.channels).min(g.c))
    }
}

#[cfg(feature = "testing")]
mod tests;
