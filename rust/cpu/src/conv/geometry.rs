//! Which element meets which: shapes and attributes checked, and each pass described by lattices.

use ferrograd_array::{Dims, Error, Result, Shape};
use smallvec::SmallVec;

/// How a kernel moves over its input: one entry a spatial dimension. `padding` counts zeros before and after.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    pub stride: &'a [i64],
    pub padding: &'a [(i64, i64)],
    pub dilation: &'a [i64],
    pub groups: i64,
}

/// One spatial dimension.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub size: usize,
    pub kernel: usize,
    pub out: usize,
    pub stride: usize,
    pub dilation: usize,
    /// Zeros before the first element.
    pub padding: usize,
}

impl Axis {
    const UNIT: Axis = Axis { size: 1, kernel: 1, out: 1, stride: 1, dilation: 1, padding: 0 };
}

/// A convolution's sizes, all spatial dimensions missing from three being of size 1 and in front.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    pub n: usize,
    pub c_in: usize,
    pub c_out: usize,
    pub groups: usize,
    pub axes: [Axis; 3],
    pub spatial: usize,
}

/// What the operands are called in messages: they differ between the ops.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub op: &'static str,
    pub input: &'static str,
    pub weight: &'static str,
}

/// Larger numbers in attributes are slips; below it no sum of sizes overflows.
const MOST: i64 = i32::MAX as i64;

impl Geometry {
    pub fn new(names: Names, input: &[usize], weight: &[usize], window: &Window) -> Result<Self> {
        let Names { op, input: x_name, weight: w_name } = names;
        let spatial = input.len().wrapping_sub(2);
        if !(1..=3).contains(&spatial) {
            return Err(Error::shape(op, x_name, "3 to 5 dimensions (N, C, *sizes), sizes of 1 to 3", Shape(input)));
        }
        if weight.len() != input.len() {
            let expected = format!("{} dimensions (O, C / groups, *kernel), as the input has", input.len());
            return Err(Error::shape(op, w_name, expected, Shape(weight)));
        }
        let lengths =
            [("stride", window.stride.len()), ("padding", window.padding.len()), ("dilation", window.dilation.len())];
        for (name, length) in lengths {
            if length != spatial {
                return Err(Error::value(op, name, format_args!("{spatial} numbers, one for each size"), length));
            }
        }
        let check = |name: &str, value: i64, least: i64| {
            let message = format!("a number from {least} to {MOST}");
            if (least..=MOST).contains(&value) {
                Ok(value as usize)
            } else {
                Err(Error::value(op, name, message, value))
            }
        };
        let groups = check("groups", window.groups, 1)?;
        let (c_in, c_out) = (input[1], weight[0]);
        if weight[1].checked_mul(groups) != Some(c_in) {
            let of = if groups == 1 { String::new() } else { format!(" in {groups} groups") };
            let expected =
                format!("{} channels for a weight of {}{of}", weight[1].saturating_mul(groups), Shape(weight));
            return Err(Error::shape(op, x_name, expected, format_args!("{c_in} in {}", Shape(input))));
        }
        if !c_out.is_multiple_of(groups) {
            let expected = format!("a number of output channels that {groups} groups divide");
            return Err(Error::shape(op, w_name, expected, format_args!("{c_out} in {}", Shape(weight))));
        }
        let mut axes = [Axis::UNIT; 3];
        for k in 0..spatial {
            let (size, kernel) = (input[2 + k], weight[2 + k]);
            let stride = check("stride", window.stride[k], 1)?;
            let dilation = check("dilation", window.dilation[k], 1)?;
            let padding = check("padding", window.padding[k].0, 0)?;
            let after = check("padding", window.padding[k].1, 0)?;
            if kernel == 0 {
                return Err(Error::shape(op, w_name, "a kernel of at least 1 in each dimension", Shape(weight)));
            }
            let padded = size.saturating_add(padding + after);
            let span = dilation.saturating_mul(kernel - 1).saturating_add(1);
            if span > padded {
                return Err(Error::shape(
                    op,
                    x_name,
                    format_args!("a padded size of at least {span}, which the kernel spans, in dimension {}", k + 2),
                    format_args!("{padded} ({size} and {} of padding)", padding + after),
                ));
            }
            let out = (padded - span) / stride + 1;
            axes[3 - spatial + k] = Axis { size, kernel, out, stride, dilation, padding };
        }
        Ok(Self { n: input[0], c_in, c_out, groups, axes, spatial })
    }

    fn shape(&self, channels: usize, size: impl Fn(&Axis) -> usize) -> Dims {
        let mut shape = Dims::from_slice(&[self.n, channels]);
        shape.extend(self.axes[3 - self.spatial..].iter().map(size));
        shape
    }

    pub fn out_shape(&self) -> Dims {
        self.shape(self.c_out, |axis| axis.out)
    }

    pub fn in_shape(&self) -> Dims {
        self.shape(self.c_in, |axis| axis.size)
    }

    /// The kernel's elements.
    pub fn taps(&self) -> usize {
        self.axes.iter().map(|axis| axis.kernel).product()
    }

    /// Multiply-adds of a pass.
    pub fn work(&self) -> f64 {
        let points: f64 = self.axes.iter().map(|axis| axis.out as f64).product();
        self.n as f64 * points * self.c_out as f64 * (self.c_in / self.groups) as f64 * self.taps() as f64
    }

    /// Each element of the input meets one element of the kernel only, its own.
    pub fn is_pointwise(&self) -> bool {
        self.axes.iter().all(|a| a.kernel == 1 && a.stride == 1 && a.size == a.out && a.padding == 0)
    }

    /// The lattice of the outputs, which reads the input.
    pub fn forward(&self) -> [Lattice; 3] {
        self.axes.each_ref().map(|axis| {
            let offset = |k: usize| (k * axis.dilation) as isize - axis.padding as isize;
            Lattice {
                count: axis.out,
                first: 0,
                step: 1,
                source_step: axis.stride,
                source_size: axis.size,
                taps: (0..axis.kernel).map(|k| (k, offset(k))).collect(),
            }
        })
    }

    /// The lattices of the inputs, which read the outputs. Inputs `stride` apart meet the same elements of the kernel,
    /// so there is one lattice for each remainder; those that meet none are left out, and the second result is false.
    pub fn backward(&self) -> (Vec<[Lattice; 3]>, bool) {
        let mut complete = true;
        let phases = self.axes.each_ref().map(|axis| -> Vec<Lattice> {
            let stride = axis.stride as isize;
            let phase = |first: usize| {
                // Input i meets output o at k where i + padding = o·stride + k·dilation.
                let ahead = |k: usize| (first + axis.padding) as isize - (k * axis.dilation) as isize;
                Lattice {
                    count: (axis.size - first).div_ceil(axis.stride),
                    first,
                    step: axis.stride,
                    source_step: 1,
                    source_size: axis.out,
                    // Backwards, so that what they read ascends.
                    taps: (0..axis.kernel)
                        .rev()
                        .filter(|&k| ahead(k).rem_euclid(stride) == 0)
                        .map(|k| (k, ahead(k).div_euclid(stride)))
                        .collect(),
                }
            };
            // At most `kernel` remainders meet one of its elements.
            let remainders = axis.stride.min(axis.size);
            let mut met: Vec<usize> = (0..axis.kernel)
                .map(|k| ((k * axis.dilation) as isize - axis.padding as isize).rem_euclid(stride) as usize)
                .filter(|&first| first < remainders)
                .collect();
            met.sort_unstable();
            met.dedup();
            complete &= met.len() == remainders;
            met.into_iter().map(phase).collect()
        });
        let mut all = Vec::new();
        for d in &phases[0] {
            for h in &phases[1] {
                for w in &phases[2] {
                    all.push([d.clone(), h.clone(), w.clone()]);
                }
            }
        }
        (all, complete)
    }
}

/// One dimension of a pass. Point `q` is index `first + step·q` of the destination; there, tap `(k, offset)` multiplies
/// element `k` of the kernel by index `source_step·q + offset` of the source, zero where that lies outside.
#[derive(Debug, Clone)]
pub(super) struct Lattice {
    pub count: usize,
    pub first: usize,
    pub step: usize,
    pub source_step: usize,
    pub source_size: usize,
    pub taps: SmallVec<[(usize, isize); 8]>,
}
