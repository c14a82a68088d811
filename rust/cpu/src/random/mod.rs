//! Random numbers from a counter. The state is an int64 array `[seed, counter]`; a call takes the blocks of numbers
//! that it needs from the stream and moves the counter on, in place, so that a recorded step draws new numbers when it
//! is replayed. Element `i` of a result, in row-major order, is a function of the state and of `i`: not of threads,
//! instruction set or memory layout.

mod normal;
mod philox;

use std::sync::atomic::{AtomicI64, Ordering};

use ferrograd_array::{Array, DType, Error, Result, Shape};

use crate::bits::{contiguous, raw};
use crate::dense::streams_rows;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Kernel, Scalar, Simd, Words, streamed, vectorize};
use philox::{GROUP, LANES, group};

/// Groups of a task: 16 KiB of f32.
const GROUPS: usize = 64;

/// A seed and where in its stream a call begins.
#[derive(Clone, Copy)]
struct Stream {
    seed: u64,
    first: u64,
}

impl Stream {
    /// The words of group `k` of this call.
    #[inline(always)]
    fn group<B: Words>(self, b: B, k: usize) -> [u32; GROUP] {
        group(b, self.seed, self.first.wrapping_add((k * LANES) as u64))
    }
}

fn check_state(op: &str, state: &Array) -> Result<()> {
    if state.dtype() != DType::I64 {
        return Err(Error::dtype(op, "state", "int64, [seed, counter]", state.dtype()));
    }
    if state.shape() != [2] {
        return Err(Error::shape(op, "state", "(2,), [seed, counter]", Shape(state.shape())));
    }
    if !state.buffer().is_writable() {
        return Err(Error::value(op, "state", "an array that can be written to", "a read-only one"));
    }
    Ok(())
}

/// Takes `groups` groups from the stream. Two threads that share a state get different numbers.
fn draw(state: &Array, groups: usize) -> Stream {
    let p = state.ptr_mut::<i64>();
    // SAFETY: `check_state` saw two aligned int64 that may be written; the counter is only changed atomically.
    unsafe {
        let counter = AtomicI64::from_ptr(p.offset(state.strides()[0]));
        let first = counter.fetch_add((groups * LANES) as i64, Ordering::Relaxed) as u64;
        Stream { seed: p.read_volatile() as u64, first }
    }
}

/// Numbers of `T` that a group of words gives.
fn per_group<T>() -> usize {
    GROUP * 4 / size_of::<T>()
}

/// A float that is drawn: uniform numbers of its precision.
trait Draw: Float {
    /// `PER` uniform numbers in `[0, 1)` in steps of the type's precision.
    fn uniform(words: &[u32; GROUP]) -> [Self; GROUP];
    /// Standard normal numbers.
    fn normal(words: &[u32; GROUP]) -> [Self; GROUP];
    fn next_down(self) -> Self;
}

const HALF: usize = GROUP / 2;
const TO_UNIT_32: f64 = 1.0 / (1u64 << 32) as f64;
const TO_UNIT_53: f64 = 1.0 / (1u64 << 53) as f64;

/// A whole number below 2⁵³ of two words, as a float; by halves, whose conversions every instruction set has.
#[inline(always)]
fn whole_53(low: u32, high: u32) -> f64 {
    from_u32(high >> 5) * 67_108_864.0 + from_u32(low >> 6)
}

/// Through the significand of 2⁵²: exact, and a vector operation everywhere.
#[inline(always)]
fn from_u32(word: u32) -> f64 {
    const BASE: f64 = 4_503_599_627_370_496.0;
    f64::from_bits(BASE.to_bits() | word as u64) - BASE
}

impl Draw for f32 {
    #[inline(always)]
    fn uniform(words: &[u32; GROUP]) -> [f32; GROUP] {
        let mut out = [0.0; GROUP];
        for j in 0..GROUP {
            out[j] = (words[j] >> 8) as i32 as f32 * (1.0 / (1 << 24) as f32);
        }
        out
    }

    #[inline(always)]
    fn normal(words: &[u32; GROUP]) -> [f32; GROUP] {
        let mut out = [0.0; GROUP];
        for j in 0..HALF {
            let (u, t) = ((from_u32(words[j]) + 1.0) * TO_UNIT_32, from_u32(words[HALF + j]) * TO_UNIT_32);
            let (a, b) = normal::pair(u, t);
            (out[j], out[HALF + j]) = (a as f32, b as f32);
        }
        out
    }

    #[inline(always)]
    fn next_down(self) -> f32 {
        self.next_down()
    }
}

impl Draw for f64 {
    #[inline(always)]
    fn uniform(words: &[u32; GROUP]) -> [f64; GROUP] {
        let mut out = [0.0; GROUP];
        for j in 0..HALF {
            out[j] = whole_53(words[j], words[HALF + j]) * TO_UNIT_53;
        }
        out
    }

    #[inline(always)]
    fn normal(words: &[u32; GROUP]) -> [f64; GROUP] {
        let mut out = [0.0; GROUP];
        let quarter = HALF / 2;
        for j in 0..quarter {
            let u = (whole_53(words[j], words[HALF + j]) + 1.0) * TO_UNIT_53;
            let t = whole_53(words[quarter + j], words[HALF + quarter + j]) * TO_UNIT_53;
            (out[j], out[quarter + j]) = normal::pair(u, t);
        }
        out
    }

    #[inline(always)]
    fn next_down(self) -> f64 {
        self.next_down()
    }
}

/// Fills groups of a row-major array.
trait Fill<T: Copy>: Copy + Sync {
    /// The numbers of one group, `per_group::<T>()` of them.
    fn numbers(self, words: &[u32; GROUP]) -> [T; GROUP];
}

struct FillGroups<T, F> {
    fill: F,
    stream: Stream,
    groups: std::ops::Range<usize>,
    out: *mut T,
    n: usize,
}

impl<T: Copy, F: Fill<T>> Kernel<f32> for FillGroups<T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) {
        let per = per_group::<T>();
        for k in self.groups {
            let numbers = self.fill.numbers(&self.stream.group(s, k));
            let n = per.min(self.n - k * per);
            // SAFETY: the array has `n` elements from the group's first.
            unsafe { std::ptr::copy_nonoverlapping(numbers.as_ptr(), self.out.add(k * per), n) };
        }
    }
}

fn fill<T: Copy>(out: &Array, state: &Array, ns: f64, fill: impl Fill<T>) {
    let n = out.numel();
    let groups = n.div_ceil(per_group::<T>());
    let stream = draw(state, groups);
    let po = SyncPtr::new(raw::<T>(out));
    parallel::for_range(groups, GROUPS, ns * per_group::<T>() as f64, |a, b| {
        vectorize(FillGroups { fill, stream, groups: a..b, out: po.get(), n });
    });
}

macro_rules! by_float {
    ($op:expr, $argument:expr, $dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            DType::F32 => {
                type $t = f32;
                $body
            }
            DType::F64 => {
                type $t = f64;
                $body
            }
            other => return Err(Error::dtype($op, $argument, "float32 or float64", other)),
        }
    };
}

#[derive(Clone, Copy)]
struct Uniform<T> {
    low: T,
    width: T,
    last: T,
}

impl<T: Draw> Fill<T> for Uniform<T> {
    #[inline(always)]
    fn numbers(self, words: &[u32; GROUP]) -> [T; GROUP] {
        let mut out = T::uniform(words);
        for v in &mut out {
            let x = self.low + *v * self.width;
            // Rounding may reach the upper end, which is not part of the range.
            *v = if x > self.last { self.last } else { x };
        }
        out
    }
}

/// Numbers evenly spread over `[low, high)`.
pub fn uniform(state: &Array, shape: &[usize], low: f64, high: f64, dtype: DType) -> Result<Array> {
    let op = "uniform";
    path!("random/uniform", parallel);
    check_state(op, state)?;
    by_float!(op, "dtype", dtype, T => {
        let (low, high) = (T::from_f64(low), T::from_f64(high));
        let width = high - low;
        if !(low <= high && width.is_finite()) {
            return Err(Error::value(op, "low, high", "finite numbers with low ≤ high", format_args!("{low}, {high}")));
        }
        let out = Array::empty(shape, dtype)?;
        let last = if low < high { Draw::next_down(high) } else { low };
        fill(&out, state, 1.0, Uniform { low, width, last });
        Ok(out)
    })
}

#[derive(Clone, Copy)]
struct Normal<T> {
    mean: T,
    std: T,
}

impl<T: Draw> Fill<T> for Normal<T> {
    #[inline(always)]
    fn numbers(self, words: &[u32; GROUP]) -> [T; GROUP] {
        let mut out = T::normal(words);
        for v in &mut out {
            *v = self.mean + *v * self.std;
        }
        out
    }
}

/// Numbers of the normal distribution, by Box and Muller's transform of two uniform ones.
pub fn normal(state: &Array, shape: &[usize], mean: f64, std: f64, dtype: DType) -> Result<Array> {
    let op = "normal";
    path!("random/normal", parallel);
    check_state(op, state)?;
    if std.is_nan() || std < 0.0 {
        return Err(Error::value(op, "std", "a number of at least 0", std));
    }
    by_float!(op, "dtype", dtype, T => {
        let out = Array::empty(shape, dtype)?;
        fill(&out, state, 5.0, Normal { mean: T::from_f64(mean), std: T::from_f64(std) });
        Ok(out)
    })
}

#[derive(Clone, Copy)]
struct Integers {
    low: i64,
    range: u64,
}

impl Fill<i64> for Integers {
    #[inline(always)]
    fn numbers(self, words: &[u32; GROUP]) -> [i64; GROUP] {
        let mut out = [0; GROUP];
        for j in 0..HALF {
            out[j] = self.low.wrapping_add(below(wide(words, j), self.range) as i64);
        }
        out
    }
}

#[inline(always)]
fn wide(words: &[u32; GROUP], j: usize) -> u64 {
    (words[HALF + j] as u64) << 32 | words[j] as u64
}

/// A number below `range`, evenly but for at most `range / 2⁶⁴`.
#[inline(always)]
fn below(random: u64, range: u64) -> u64 {
    ((random as u128 * range as u128) >> 64) as u64
}

/// Integers evenly spread over `[low, high)`, int64.
pub fn randint(state: &Array, shape: &[usize], low: i64, high: i64) -> Result<Array> {
    let op = "randint";
    path!("random/randint", parallel);
    check_state(op, state)?;
    if low >= high {
        return Err(Error::value(op, "low, high", "low < high", format_args!("{low}, {high}")));
    }
    let out = Array::empty(shape, DType::I64)?;
    fill(&out, state, 2.0, Integers { low, range: high.wrapping_sub(low) as u64 });
    Ok(out)
}

/// The numbers `0..n` in random order (Fisher and Yates), int64.
pub fn randperm(state: &Array, n: usize) -> Result<Array> {
    path!("random/randperm");
    check_state("randperm", state)?;
    let out = Array::empty(&[n], DType::I64)?;
    let stream = draw(state, n.div_ceil(HALF));
    // SAFETY: new memory of `n` elements.
    let order = unsafe { std::slice::from_raw_parts_mut(out.ptr_mut::<i64>(), n) };
    for (i, v) in order.iter_mut().enumerate() {
        *v = i as i64;
    }
    let mut words = [0; GROUP];
    for i in 0..n {
        if i % HALF == 0 {
            words = stream.group(Scalar, i / HALF);
        }
        let j = i + below(wide(&words, i % HALF), (n - i) as u64) as usize;
        order.swap(i, j);
    }
    Ok(out)
}

/// `word < limit`, in 33 bits: probability 1 takes every word.
#[inline(always)]
fn limit(p: f64) -> u64 {
    (p * (1u64 << 32) as f64).round() as u64
}

/// 1 with probability `p_i`, else 0: an array of the shape and dtype of `p`.
pub fn bernoulli(state: &Array, p: &Array) -> Result<Array> {
    let op = "bernoulli";
    check_state(op, state)?;
    by_float!(op, "p", p.dtype(), T => {
        let p = contiguous(p)?;
        let out = Array::empty(p.shape(), p.dtype())?;
        let n = out.numel();
        let groups = n.div_ceil(GROUP);
        let (po, pp) = (SyncPtr::new(out.ptr_mut::<T>()), SyncPtr::new(p.ptr_mut::<T>()));
        // SAFETY: `n` elements; each is read as it will be read again, and what has changed by then is harmless.
        let bad = (0..n).map(|i| unsafe { pp.get().add(i).read_volatile() }).find(|v| !(0.0..=1.0).contains(v));
        if let Some(bad) = bad {
            return Err(Error::value(op, "p", "probabilities from 0 to 1", bad));
        }
        path!("random/bernoulli", parallel);
        let stream = draw(state, groups);
        parallel::for_range(groups, GROUPS, 1.5 * GROUP as f64, |a, b| {
            vectorize(Bernoulli { p: pp.get(), out: po.get(), stream, groups: a..b, n });
        });
        Ok(out)
    })
}

struct Bernoulli<T> {
    p: *const T,
    out: *mut T,
    stream: Stream,
    groups: std::ops::Range<usize>,
    n: usize,
}

impl<T: Float> Kernel<T> for Bernoulli<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        for k in self.groups {
            let words = self.stream.group(s, k);
            let start = k * GROUP;
            for j in 0..GROUP.min(self.n - start) {
                // SAFETY: below `n`.
                unsafe {
                    let hit = from_u32(words[j]) < (*self.p.add(start + j)).to_f64() * (1u64 << 32) as f64;
                    *self.out.add(start + j) = if hit { T::ONE } else { T::ZERO };
                }
            }
        }
    }
}

/// `(y, mask)`: `mask_i` is true with probability `1 − p`, and `y_i = x_i · mask_i / (1 − p)`. One pass.
pub fn dropout(x: &Array, state: &Array, p: f64) -> Result<(Array, Array)> {
    let op = "dropout";
    check_state(op, state)?;
    let scale = dropout_scale(op, p)?;
    by_float!(op, "input", x.dtype(), T => {
        // The stream runs along the elements in row-major order, whatever their order in memory.
        let x = contiguous(x)?;
        let (y, mask) = (Array::empty(x.shape(), x.dtype())?, Array::empty(x.shape(), DType::Bool)?);
        let n = x.numel();
        let groups = n.div_ceil(GROUP);
        path!("random/dropout", parallel);
        let past = streams_rows::<T>(&y, GROUP);
        let stream = draw(state, groups);
        let (px, py, pm) = (SyncPtr::new(x.ptr_mut::<T>()), SyncPtr::new(y.ptr_mut::<T>()), SyncPtr::new(mask.ptr_mut::<u8>()));
        parallel::for_range(groups, GROUPS, 1.0 * GROUP as f64, |a, b| {
            vectorize(Dropout {
                x: px.get(),
                y: py.get(),
                mask: pm.get(),
                stream,
                groups: a..b,
                n,
                limit: limit(p),
                scale: T::from_f64(scale),
                past,
            });
        });
        Ok((y, mask))
    })
}

/// `1 / (1 − p)`, and 0 where all is dropped.
fn dropout_scale(op: &str, p: f64) -> Result<f64> {
    if !(0.0..=1.0).contains(&p) {
        return Err(Error::value(op, "p", "a probability from 0 to 1", p));
    }
    Ok(if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 })
}

struct Dropout<T> {
    x: *const T,
    y: *mut T,
    mask: *mut u8,
    stream: Stream,
    groups: std::ops::Range<usize>,
    n: usize,
    /// Words below it drop their element.
    limit: u64,
    scale: T,
    /// Whether the results go past the caches.
    past: bool,
}

impl<T: Float> Kernel<T> for Dropout<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // A word is dropped where it is below the limit; of 2³² all words are, which 32 bits cannot say.
        let (all, limit) = (self.limit > u32::MAX as u64, self.limit as u32);
        for k in self.groups.clone() {
            let words = self.stream.group(s, k);
            let mut keep = [false; GROUP];
            for j in 0..GROUP {
                keep[j] = (words[j] >= limit) & !all;
            }
            // SAFETY: `n` elements at each pointer, of which these are the group's. Two calls, because the loop of
            // known length is the fast one.
            unsafe {
                match self.n - k * GROUP {
                    rest if rest < GROUP => self.apply(s, k * GROUP, rest, &keep),
                    _ => self.apply(s, k * GROUP, GROUP, &keep),
                }
            }
        }
        if self.past {
            streamed();
        }
    }
}

impl<T: Float> Dropout<T> {
    #[inline(always)]
    unsafe fn apply<S: Simd<T>>(&self, s: S, start: usize, n: usize, keep: &[bool; GROUP]) {
        let mut factors = [T::ZERO; GROUP];
        for j in 0..GROUP {
            factors[j] = if keep[j] { self.scale } else { T::ZERO };
        }
        // SAFETY: the caller's.
        unsafe {
            let (x, y) = (self.x.add(start), self.y.add(start));
            std::ptr::copy_nonoverlapping(keep.as_ptr().cast(), self.mask.add(start), n);
            for j in (0..n).step_by(S::LANES) {
                let part = S::LANES.min(n - j);
                // A product, so that NaN and Inf behave as in PyTorch.
                let v = s.mul(s.load_some(x.add(j), part), s.load(factors.as_ptr().add(j)));
                s.put_some(y.add(j), part, v, self.past);
            }
        }
    }
}

/// The gradient of [`dropout`]: `g_i · mask_i / (1 − p)`.
pub fn dropout_grad(g: &Array, mask: &Array, p: f64) -> Result<Array> {
    let op = "dropout_grad";
    path!("random/dropout_grad", parallel);
    let scale = dropout_scale(op, p)?;
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype(op, "mask", "bool, as dropout returns it", mask.dtype()));
    }
    if mask.shape() != g.shape() {
        return Err(Error::shape(
            op,
            "mask",
            format_args!("the shape of grad, {}", Shape(g.shape())),
            Shape(mask.shape()),
        ));
    }
    by_float!(op, "grad", g.dtype(), T => {
        let out = Array::empty_like(g, g.shape(), g.dtype())?;
        let plan = crate::strided::Plan::new([out.layout(), g.layout(), mask.layout()]);
        let steps = plan.inner_strides();
        let (po, pg, pm) = (SyncPtr::new(out.ptr_mut::<T>()), SyncPtr::new(g.ptr_mut::<T>()), SyncPtr::new(mask.ptr_mut::<u8>()));
        plan.run(0.5, |[o, i, m], n| {
            // SAFETY: the plan stays inside the three layouts.
            let (out, g, mask) = unsafe { (po.get().offset(o), pg.get().offset(i), pm.get().offset(m)) };
            vectorize(Masked { out, g, mask, steps, n, scale: T::from_f64(scale) });
        });
        Ok(out)
    })
}

struct Masked<T> {
    out: *mut T,
    g: *const T,
    mask: *const u8,
    steps: [isize; 3],
    n: usize,
    scale: T,
}

impl<T: Float> Kernel<T> for Masked<T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let [o, g, m] = self.steps;
        // SAFETY: `n` elements at each step.
        unsafe {
            if self.steps == [1, 1, 1] {
                for j in 0..self.n {
                    let factor = if *self.mask.add(j) != 0 { self.scale } else { T::ZERO };
                    *self.out.add(j) = *self.g.add(j) * factor;
                }
            } else {
                for j in 0..self.n as isize {
                    let factor = if *self.mask.offset(m * j) != 0 { self.scale } else { T::ZERO };
                    *self.out.offset(o * j) = *self.g.offset(g * j) * factor;
                }
            }
        }
    }
}

#[cfg(feature = "testing")]
mod tests;
