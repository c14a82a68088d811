//! Depthwise convolution: each channel meets its own kernel, so a vector of channels is a vector of sums, and nothing is
//! gathered or packed. A row of results is computed a few points and a vector of channels at a time, straight from the
//! channels-last source; points at its ends meet fewer elements of the kernel.

mod square;
mod weight;

use ferrograd_array::Result;
use smallvec::SmallVec;
use square::Square;
pub(super) use weight::WeightPass;

use super::block::Source;
use super::direct::{Weights, ns, room};
use super::geometry::Lattice;
use crate::activation::{Activation, activate};
use crate::isa;
use crate::parallel::{self, SyncPtr};
use crate::simd::{self, Float, Kernel, Simd, streamed};

/// Products of a task at least.
const WORK: usize = 1 << 17;
/// Points of a row at a time, and vectors of channels where it is one point only: sums enough to hide the latency.
const POINTS: usize = 6;
const VECTORS: usize = 4;

/// A tap of a row: where it reads, relative to a point's own place, its element of the kernel, and its offset along w.
type Tap = (isize, usize, isize);
type Taps = SmallVec<[Tap; 32]>;

/// Rows of one lattice: those of its points along the batch and the first two dimensions.
fn rows(n: usize, lattice: &[Lattice; 3]) -> usize {
    n * lattice[0].count * lattice[1].count
}

fn place(lattice: &[Lattice; 3], row: usize) -> [usize; 3] {
    let (depth, high) = (lattice[0].count, lattice[1].count);
    [row / (depth * high), row / high % depth, row % high]
}

/// The taps of a row that lie inside the source along its first two dimensions.
fn taps<T>(lattice: &[Lattice; 3], source: &Source<T>, kernel: [usize; 3], at: [usize; 3]) -> Taps {
    let mut all = Taps::new();
    let index = |k: usize, offset: isize| {
        let index = (at[k + 1] * lattice[k].source_step) as isize + offset;
        (index >= 0 && index < lattice[k].source_size as isize).then(|| index * source.strides[k + 2])
    };
    for &(kd, d) in &lattice[0].taps {
        for &(kh, h) in &lattice[1].taps {
            let (Some(d), Some(h)) = (index(0, d), index(1, h)) else { continue };
            all.extend(
                lattice[2]
                    .taps
                    .iter()
                    .map(|&(kw, w)| (d + h + w * source.strides[4], (kd * kernel[1] + kh) * kernel[2] + kw, w)),
            );
        }
    }
    all
}

/// The points of a row that meet every element along w.
fn inner(lattice: &Lattice) -> (usize, usize) {
    let lowest = lattice.taps.iter().map(|tap| tap.1).min().unwrap_or(0);
    let highest = lattice.taps.iter().map(|tap| tap.1).max().unwrap_or(0);
    let low = ((-lowest).max(0) as usize).div_ceil(lattice.source_step).min(lattice.count);
    let last = lattice.source_size as isize - 1 - highest;
    let high = if last < 0 { 0 } else { last as usize / lattice.source_step + 1 };
    (low, high.clamp(low, lattice.count))
}

/// Whether a tap's offset along w falls inside the source at point `q`.
fn meets(lattice: &Lattice, q: usize, offset: isize) -> bool {
    let index = (q * lattice.source_step) as isize + offset;
    index >= 0 && index < lattice.source_size as isize
}

/// The kernel's elements as rows of channels.
fn packed<T: Float>(weights: &Weights<T>, kernel: [usize; 3], channels: usize, to: *mut T) {
    for k in 0..kernel.iter().product() {
        let at = [k / (kernel[1] * kernel[2]), k / kernel[2] % kernel[1], k % kernel[2]];
        let tap: isize = at.iter().zip(weights.taps).map(|(&i, step)| i as isize * step).sum();
        for c in 0..channels {
            // SAFETY: inside the weights; the caller made room.
            unsafe { *to.add(k * channels + c) = *weights.ptr.offset(tap + c as isize * weights.row) };
        }
    }
}

/// A vector, or its first `left` lanes.
///
/// # Safety
/// They are readable at `p`.
#[inline(always)]
unsafe fn load<T: Float, S: Simd<T>, const PARTIAL: bool>(s: S, p: *const T, left: usize) -> S::V {
    // SAFETY: as this function's.
    unsafe { if PARTIAL { s.load_partial(p, left) } else { s.load(p) } }
}

/// `dst[n, c, point] = activation(bias[c] + Σ_t w[c, t] · source[n, c, point at t])` over every point of every lattice;
/// channels are neighbours in source and result.
pub(super) struct Pass<'a, T> {
    pub n: usize,
    pub channels: usize,
    pub source: Source<T>,
    pub weights: Weights<T>,
    pub kernel: [usize; 3],
    pub dst: SyncPtr<T>,
    /// Along n, d, h, w.
    pub dst_strides: [isize; 4],
    pub bias: Option<SyncPtr<T>>,
    pub activation: Activation,
    pub lattices: &'a [[Lattice; 3]],
    pub work: f64,
}

impl<T: Float> Pass<'_, T> {
    /// # Safety
    /// Source, weights and bias are readable over the shapes given, `dst` writable and apart from them.
    pub unsafe fn run(&self) -> Result<()> {
        let taps: usize = self.kernel.iter().product();
        let kept = room::<T>((taps + 1) * self.channels)?;
        let weights = kept.as_ptr().cast::<T>();
        packed(&self.weights, self.kernel, self.channels, weights);
        for c in 0..self.channels {
            // SAFETY: the bias has a number for each channel; the room was made above.
            unsafe {
                *weights.add(taps * self.channels + c) = self.bias.map_or(T::ZERO, |bias| *bias.get().add(c));
            }
        }
        let (weights, isa) = (SyncPtr::new(weights), isa::current());
        let each = |lattice: &[Lattice; 3]| {
            let work: usize =
                lattice.iter().map(|l| l.taps.len()).product::<usize>() * self.channels * lattice[2].count;
            // Rows are computed two by two.
            WORK.div_ceil(work.max(1)).next_multiple_of(2)
        };
        let mut ends = Vec::with_capacity(self.lattices.len());
        let (mut end, mut points) = (0, 0);
        for lattice in self.lattices {
            end += rows(self.n, lattice).div_ceil(each(lattice));
            ends.push(end);
            points += rows(self.n, lattice) * lattice[2].count;
        }
        let once = matches!(self.activation, Activation::None | Activation::Relu);
        let past = once && simd::streams(points * self.channels * size_of::<T>());
        parallel::run(end, ns::<T>(self.work) * 2.0, |index| {
            let k = ends.partition_point(|&end| end <= index);
            let index = index - if k > 0 { ends[k - 1] } else { 0 };
            let (lattice, each) = (&self.lattices[k], each(&self.lattices[k]));
            let span = (index * each, ((index + 1) * each).min(rows(self.n, lattice)));
            let task = Rows { pass: self, lattice, span, weights: weights.get(), taps, past };
            // SAFETY: the instruction set in force is the machine's; rows are one task's.
            unsafe { T::enter(isa, task) };
        });
        Ok(())
    }
}

struct Rows<'a, T> {
    pass: &'a Pass<'a, T>,
    lattice: &'a [Lattice; 3],
    span: (usize, usize),
    weights: *const T,
    taps: usize,
    /// The result goes past the caches where it can.
    past: bool,
}

impl<T: Float> Kernel<T> for Rows<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Pass { channels, source, dst_strides, activation, kernel, .. } = *self.pass;
        let along = &self.lattice[2];
        let (low, high) = inner(along);
        let step = along.source_step as isize * source.strides[4];
        let to_step = along.step as isize * dst_strides[3];
        let mut some = Taps::new();
        let mut offsets = Vec::new();
        let square = Square::new::<S>(&self);
        // The rows before it have been computed.
        let mut done = 0;
        for row in self.span.0..self.span.1 {
            let at = place(self.lattice, row);
            let all = taps(self.lattice, &source, kernel, at);
            let image = source.ptr.wrapping_offset(at[0] as isize * source.strides[0]);
            let mut to = at[0] as isize * dst_strides[0] + along.first as isize * dst_strides[3];
            for k in 0..2 {
                let lattice = &self.lattice[k];
                to += (lattice.first + lattice.step * at[k + 1]) as isize * dst_strides[k + 1];
            }
            let base = self.pass.dst.get().wrapping_offset(to);
            let x = |q: usize| image.wrapping_offset(q as isize * step);
            let y = |q: usize| base.wrapping_offset(q as isize * to_step);
            // SAFETY: `Pass::run` gave this task rows of its own; taps are kept where they lie inside the source.
            unsafe {
                let mut q = 0;
                if let Some(square) = &square
                    && row >= done
                    && row + 1 < self.span.1
                    && at[2] + 1 < self.lattice[1].count
                {
                    square.pair::<S>(s, at, image, y(0), to_step);
                    done = row + 2;
                }
                while row >= done && q < along.count {
                    if q >= low && q + POINTS <= high {
                        self.channels::<S, POINTS, 1>(s, x(q), step, &all, y(q), to_step);
                        q += POINTS;
                    } else if q >= low && q < high && high - low >= POINTS {
                        // Some points again, which costs less than each alone.
                        q = high - POINTS;
                    } else {
                        some.clear();
                        some.extend(all.iter().copied().filter(|tap| meets(along, q, tap.2)));
                        self.channels::<S, 1, VECTORS>(s, x(q), step, &some, y(q), to_step);
                        q += 1;
                    }
                }
                if !matches!(activation, Activation::None | Activation::Relu) {
                    offsets.clear();
                    offsets.extend((0..along.count as isize).map(|q| q * to_step));
                    activate(activation, base, &offsets, channels);
                }
            }
        }
        if self.past {
            streamed();
        }
    }
}

impl<T: Float> Rows<'_, T> {
    /// All channels of `W` points, `MV` vectors at a time.
    #[inline(always)]
    unsafe fn channels<S: Simd<T>, const W: usize, const MV: usize>(
        &self,
        s: S,
        x: *const T,
        step: isize,
        taps: &[Tap],
        to: *mut T,
        to_step: isize,
    ) {
        let channels = self.pass.channels;
        let mut c = 0;
        // SAFETY: as `run`'s; the last vectors may begin among the channels of those before.
        unsafe {
            while channels >= MV * S::LANES && c < channels {
                c = c.min(channels - MV * S::LANES);
                self.points::<S, W, MV, false>(s, x, step, taps, to, to_step, c, S::LANES);
                c += MV * S::LANES;
            }
            while c < channels {
                let left = (channels - c).min(S::LANES);
                self.points::<S, W, 1, true>(s, x, step, taps, to, to_step, c, left);
                c += left;
            }
        }
    }

    #[inline(always)]
    unsafe fn points<S: Simd<T>, const W: usize, const MV: usize, const PARTIAL: bool>(
        &self,
        s: S,
        x: *const T,
        step: isize,
        taps: &[Tap],
        to: *mut T,
        to_step: isize,
        c: usize,
        left: usize,
    ) {
        let channels = self.pass.channels;
        let floor = s.splat(if self.pass.activation == Activation::Relu { T::ZERO } else { T::NEG_INFINITY });
        let weights = self.weights.wrapping_add(c);
        let mut sums = [[s.zero(); MV]; W];
        for v in 0..MV {
            // SAFETY: as this function's, here and below.
            let bias = unsafe { load::<T, S, PARTIAL>(s, weights.add(self.taps * channels + v * S::LANES), left) };
            for j in 0..W {
                sums[j][v] = bias;
            }
        }
        let mut at = [x; W];
        for j in 0..W {
            at[j] = x.wrapping_offset(j as isize * step).wrapping_add(c);
        }
        for &(offset, element, _) in taps {
            for v in 0..MV {
                // SAFETY: as above; every tap lies inside the source.
                unsafe {
                    let w = load::<T, S, PARTIAL>(s, weights.add(element * channels + v * S::LANES), left);
                    for j in 0..W {
                        let x = load::<T, S, PARTIAL>(s, at[j].offset(offset).add(v * S::LANES), left);
                        sums[j][v] = s.fma(w, x, sums[j][v]);
                    }
                }
            }
        }
        for j in 0..W {
            for v in 0..MV {
                let at = to.wrapping_offset(j as isize * to_step).wrapping_add(c + v * S::LANES);
                let sum = s.max(floor, sums[j][v]);
                // SAFETY: as this function's.
                unsafe { if PARTIAL { s.store_partial(at, left, sum) } else { s.store(at, sum) } }
            }
        }
    }
}
