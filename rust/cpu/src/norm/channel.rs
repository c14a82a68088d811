//! Loops over dense arrays with channels, `(outer, C, inner)`: a function of up to three arrays, with numbers that
//! belong to the channel, element by element or summed over each channel.
//!
//! Where the elements of a channel lie side by side (`inner` is long), a plane is walked with its channel's numbers in
//! registers; else (channels-last, or no further dimensions) rows of `C · inner` elements are, beside the numbers.

use ferrograd_array::{Array, Result};

use crate::dense::Around;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::reduce::{self, lanes_below, segment_sums};
use crate::simd::{Float, Kernel, Simd, vectorize};

/// Planes of fewer elements are walked as parts of rows.
const PLANE: usize = 16;
/// Elements of a task, about.
const TASK: usize = 16 * 1024;
/// Rows that are added straight on.
const ROWS: usize = 64;

/// `f(x, p)`: of an element of each array, and the numbers of its channel.
pub trait Map<T: Float>: Copy + Send + Sync {
    fn apply<S: Simd<T>>(self, s: S, x: [S::V; 3], p: [S::V; 4]) -> S::V;
}

/// Two summands of an element of each channel.
pub trait Summands<T: Float>: Copy + Send + Sync {
    fn apply<S: Simd<T>>(self, s: S, x: [S::V; 3], p: [S::V; 4]) -> [S::V; 2];
}

/// The numbers of the channels; missing ones repeat the first.
pub type Numbers<'a> = [&'a Array; 4];
/// Arrays of one dense layout; missing ones repeat the first.
pub type Inputs<'a> = [&'a Array; 3];

/// For rows: the numbers of the channels, each `inner` times.
fn spread<T: Float>(a: &Array, around: Around) -> Result<Array> {
    let Around { n, inner, .. } = around;
    if inner == 1 {
        return Ok(a.clone());
    }
    let out = Array::empty(&[n * inner], T::DTYPE)?;
    for c in 0..n {
        // SAFETY: `a` has n elements side by side, `out` n · inner.
        unsafe { std::slice::from_raw_parts_mut(out.ptr_mut::<T>().add(c * inner), inner).fill(*a.ptr::<T>().add(c)) };
    }
    Ok(out)
}

fn pointers<T: Float, const N: usize>(arrays: [&Array; N]) -> [SyncPtr<T>; N] {
    arrays.map(|a| SyncPtr::new(a.ptr_mut::<T>()))
}

/// A task: rows (or planes) `first..last` of `width` elements.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    last: usize,
    width: usize,
}

/// `out = f(inputs, numbers)`, element by element.
pub fn map<T: Float>(f: impl Map<T>, around: Around, inputs: Inputs, numbers: Numbers, out: &Array) -> Result<()> {
    let Around { outer, n, inner } = around;
    let planes = inner >= PLANE;
    let ns = out.numel() as f64 * 0.6;
    let x = pointers::<T, 3>(inputs);
    let out = SyncPtr::new(out.ptr_mut::<T>());
    if planes {
        path!("channels/map_planes", parallel);
        let p = pointers::<T, 4>(numbers);
        let many = (TASK / inner).max(1);
        parallel::run((outer * n).div_ceil(many), ns, |b| {
            let block = Block { first: b * many, last: ((b + 1) * many).min(outer * n), width: inner };
            vectorize(MapPlanes { f, n, block, x: x.map(SyncPtr::get), p: p.map(SyncPtr::get), out: out.get() });
        });
    } else {
        path!("channels/map_rows", parallel);
        let spread = [
            spread::<T>(numbers[0], around)?,
            spread::<T>(numbers[1], around)?,
            spread::<T>(numbers[2], around)?,
            spread::<T>(numbers[3], around)?,
        ];
        let p = pointers::<T, 4>([&spread[0], &spread[1], &spread[2], &spread[3]]);
        let width = n * inner;
        let many = (TASK / width.max(1)).max(1);
        parallel::run(outer.div_ceil(many), ns, |b| {
            let block = Block { first: b * many, last: ((b + 1) * many).min(outer), width };
            vectorize(MapRows { f, block, x: x.map(SyncPtr::get), p: p.map(SyncPtr::get), out: out.get() });
        });
    }
    Ok(())
}

/// The two sums over each channel, as an array `(2, C)`.
pub fn sums<T: Float>(f: impl Summands<T>, around: Around, inputs: Inputs, numbers: Numbers) -> Result<Array> {
    let Around { outer, n, inner } = around;
    let ns = (outer * n * inner) as f64 * 0.6;
    let x = pointers::<T, 3>(inputs);
    if inner >= PLANE {
        path!("channels/sum_planes", parallel);
        let p = pointers::<T, 4>(numbers);
        let partial = Array::empty(&[outer, 2, n], T::DTYPE)?;
        let out = SyncPtr::new(partial.ptr_mut::<T>());
        let many = (TASK / inner).max(1);
        parallel::run((outer * n).div_ceil(many), ns, |b| {
            let block = Block { first: b * many, last: ((b + 1) * many).min(outer * n), width: inner };
            vectorize(SumPlanes { f, n, block, x: x.map(SyncPtr::get), p: p.map(SyncPtr::get), out: out.get() });
        });
        return reduce::sum(&partial, &[0], false);
    }
    path!("channels/sum_rows", parallel);
    let spread = [
        spread::<T>(numbers[0], around)?,
        spread::<T>(numbers[1], around)?,
        spread::<T>(numbers[2], around)?,
        spread::<T>(numbers[3], around)?,
    ];
    let p = pointers::<T, 4>([&spread[0], &spread[1], &spread[2], &spread[3]]);
    let width = n * inner;
    let many = (TASK / width.max(1)).clamp(1, ROWS);
    let blocks = outer.div_ceil(many);
    let partial = Array::empty(&[blocks, 2, n, inner], T::DTYPE)?;
    let out = SyncPtr::new(partial.ptr_mut::<T>());
    parallel::run(blocks, ns, |b| {
        let block = Block { first: b * many, last: ((b + 1) * many).min(outer), width };
        // SAFETY: each block has its own sums.
        let out = unsafe { out.get().add(b * 2 * width) };
        vectorize(SumRows { f, block, x: x.map(SyncPtr::get), p: p.map(SyncPtr::get), out });
    });
    reduce::sum(&partial, &[0, 3], false)
}

struct MapPlanes<T, F> {
    f: F,
    n: usize,
    block: Block,
    x: [*mut T; 3],
    p: [*mut T; 4],
    out: *mut T,
}

// Loops over the pointers rather than `map`: a closure that the compiler leaves as a function of its own has no
// vector instructions.
#[inline(always)]
unsafe fn load<T: Float, S: Simd<T>, const N: usize>(s: S, from: [*mut T; N], at: usize, part: usize) -> [S::V; N] {
    let mut values = [s.zero(); N];
    for k in 0..N {
        // SAFETY: as the caller's.
        unsafe {
            let p = from[k].add(at);
            values[k] = s.load_some(p, part);
        }
    }
    values
}

/// The numbers of channel `c`, each in all lanes.
#[inline(always)]
unsafe fn splat<T: Float, S: Simd<T>, const N: usize>(s: S, from: [*mut T; N], c: usize) -> [S::V; N] {
    let mut values = [s.zero(); N];
    for k in 0..N {
        // SAFETY: as the caller's.
        values[k] = s.splat(unsafe { *from[k].add(c) });
    }
    values
}

impl<T: Float, F: Map<T>> Kernel<T> for MapPlanes<T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let inner = self.block.width;
        for plane in self.block.first..self.block.last {
            // SAFETY: planes inside the arrays; n numbers of the channels.
            unsafe {
                let p = splat(s, self.p, plane % self.n);
                let mut j = 0;
                while j < inner {
                    let part = S::LANES.min(inner - j);
                    let at = plane * inner + j;
                    s.store_some(self.out.add(at), part, self.f.apply(s, load(s, self.x, at, part), p));
                    j += part;
                }
            }
        }
    }
}

struct MapRows<T, F> {
    f: F,
    block: Block,
    x: [*mut T; 3],
    p: [*mut T; 4],
    out: *mut T,
}

impl<T: Float, F: Map<T>> Kernel<T> for MapRows<T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let width = self.block.width;
        for row in self.block.first..self.block.last {
            let mut j = 0;
            while j < width {
                let part = S::LANES.min(width - j);
                let at = row * width + j;
                // SAFETY: rows inside the arrays; as many numbers as a row has elements.
                unsafe {
                    s.store_some(
                        self.out.add(at),
                        part,
                        self.f.apply(s, load(s, self.x, at, part), load(s, self.p, j, part)),
                    )
                };
                j += part;
            }
        }
    }
}

struct SumPlanes<T, F> {
    f: F,
    n: usize,
    block: Block,
    x: [*mut T; 3],
    p: [*mut T; 4],
    out: *mut T,
}

impl<T: Float, F: Summands<T>> Kernel<T> for SumPlanes<T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let inner = self.block.width;
        for plane in self.block.first..self.block.last {
            let (o, c) = (plane / self.n, plane % self.n);
            // SAFETY: planes inside the arrays; n numbers of the channels; `(outer, 2, n)` sums.
            unsafe {
                let p = splat(s, self.p, c);
                let x = self.x;
                let [first, second]: [T; 2] = segment_sums::<T, S, 2, 4>(
                    s,
                    inner,
                    #[inline(always)]
                    |i, part| {
                        let [a, b] = self.f.apply(s, load(s, x, plane * inner + i, part), p);
                        if part == S::LANES {
                            return [a, b];
                        }
                        let counted = lanes_below(s, part);
                        [s.select(counted, a, s.zero()), s.select(counted, b, s.zero())]
                    },
                );
                *self.out.add(o * 2 * self.n + c) = first;
                *self.out.add((o * 2 + 1) * self.n + c) = second;
            }
        }
    }
}

struct SumRows<T, F> {
    f: F,
    block: Block,
    x: [*mut T; 3],
    p: [*mut T; 4],
    out: *mut T,
}

impl<T: Float, F: Summands<T>> Kernel<T> for SumRows<T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let width = self.block.width;
        let mut j = 0;
        while j < width {
            let part = S::LANES.min(width - j);
            // SAFETY: rows inside the arrays; as many numbers as a row has elements; `(2, width)` sums.
            unsafe {
                let p = load(s, self.p, j, part);
                let mut acc = [s.zero(); 2];
                for row in self.block.first..self.block.last {
                    let [a, b] = self.f.apply(s, load(s, self.x, row * width + j, part), p);
                    acc = [s.add(acc[0], a), s.add(acc[1], b)];
                }
                s.store_some(self.out.add(j), part, acc[0]);
                s.store_some(self.out.add(width + j), part, acc[1]);
            }
            j += part;
        }
    }
}
