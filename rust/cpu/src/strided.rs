//! Walks several strided arrays of one shape together: dimensions that lie together in memory are joined, the
//! innermost is the output's densest, and the work is split into blocks of a fixed number of elements.

use ferrograd_array::Layout;
use smallvec::SmallVec;

use crate::parallel;

/// Elements of a block; a multiple of every vector width, small enough that 64 KiB of f32 split.
pub(crate) const BLOCK: usize = 8 * 1024;

/// How to walk `N` arrays: rows of `inner` elements, and the outer dimensions around them. Strides are in elements.
pub struct Plan<const N: usize> {
    inner: usize,
    inner_strides: [isize; N],
    outer: SmallVec<[(usize, [isize; N]); 6]>,
}

impl<const N: usize> Plan<N> {
    /// All layouts have the same shape (broadcast dimensions with stride 0). The first one's memory order rules.
    pub fn new(layouts: [&Layout; N]) -> Self {
        let shape = &layouts[0].shape;
        // The commonest case: everything row-major and dense is one row.
        if layouts.iter().all(|l| l.is_contiguous()) {
            return Self { inner: layouts[0].numel(), inner_strides: [1; N], outer: SmallVec::new() };
        }
        let mut dims: SmallVec<[(usize, [isize; N]); 6]> = SmallVec::new();
        for k in layouts[0].memory_order() {
            let (size, strides) = (shape[k], std::array::from_fn(|i| layouts[i].strides[k]));
            if size == 1 {
                continue;
            }
            match dims.last_mut() {
                // The previous dimension steps exactly over this one in every array: they are one.
                Some((d, s)) if (0..N).all(|i| s[i] == strides[i] * size as isize) => {
                    *d *= size;
                    *s = strides;
                }
                _ => dims.push((size, strides)),
            }
        }
        let (inner, inner_strides) = dims.pop().unwrap_or((layouts[0].numel(), [1; N]));
        Self { inner, inner_strides, outer: dims }
    }

    pub fn numel(&self) -> usize {
        self.inner * self.outer.iter().map(|&(d, _)| d).product::<usize>()
    }

    /// Elements of a row.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// The strides of the rows that [`run`](Self::run) hands out.
    pub fn inner_strides(&self) -> [isize; N] {
        self.inner_strides
    }

    /// Calls `f(offsets, n)` for rows of `n` elements that together are all elements once; in parallel where the
    /// whole takes long enough at `ns` nanoseconds an element.
    pub fn run(&self, ns: f64, f: impl Fn([isize; N], usize) + Sync) {
        self.blocks(ns, |start, end| self.rows(start, end, &f));
    }

    /// Calls `f(start, end)` for blocks of elements, counted in walking order; in parallel as [`run`](Self::run).
    pub fn blocks(&self, ns: f64, f: impl Fn(usize, usize) + Sync) {
        parallel::for_range(self.numel(), BLOCK, ns, f);
    }

    /// The rows of elements `start..end`, counted in walking order.
    pub fn rows(&self, start: usize, end: usize, mut f: impl FnMut([isize; N], usize)) {
        if self.outer.is_empty() {
            f(self.inner_strides.map(|s| s * start as isize), end - start);
            return;
        }
        let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, self.outer.len());
        let mut offsets = [0isize; N];
        let mut rest = start / self.inner;
        for (at, &(d, strides)) in index.iter_mut().zip(&self.outer).rev() {
            *at = rest % d;
            rest /= d;
            for i in 0..N {
                offsets[i] += strides[i] * *at as isize;
            }
        }
        let mut column = start % self.inner;
        let mut left = end - start;
        loop {
            let n = (self.inner - column).min(left);
            f(std::array::from_fn(|i| offsets[i] + self.inner_strides[i] * column as isize), n);
            left -= n;
            if left == 0 {
                return;
            }
            column = 0;
            for (at, &(d, strides)) in index.iter_mut().zip(&self.outer).rev() {
                *at += 1;
                for i in 0..N {
                    offsets[i] += strides[i];
                }
                if *at < d {
                    break;
                }
                *at = 0;
                for i in 0..N {
                    offsets[i] -= strides[i] * d as isize;
                }
            }
        }
    }
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;
    use std::sync::Mutex;

    fn visited(layouts: [&Layout; 2]) -> Vec<[isize; 2]> {
        let plan = Plan::new(layouts);
        let seen = Mutex::new(Vec::new());
        let strides = plan.inner_strides();
        plan.run(1e6, |offsets, n| {
            let mut seen = seen.lock().unwrap();
            for j in 0..n as isize {
                seen.push([offsets[0] + strides[0] * j, offsets[1] + strides[1] * j]);
            }
        });
        let mut seen = seen.into_inner().unwrap();
        seen.sort();
        seen
    }

    fn expected(layouts: [&Layout; 2]) -> Vec<[isize; 2]> {
        let mut all: Vec<[isize; 2]> =
            (0..layouts[0].numel()).map(|i| layouts.map(|l| l.offset_of(i) as isize - l.offset as isize)).collect();
        all.sort();
        all
    }

    #[test]
    fn every_element_once_in_any_layout() {
        for shape in [&[] as &[usize], &[7], &[0, 3], &[3, 1, 5], &[40, 33, 17], &[2, 20000]] {
            let plain = Layout::contiguous(shape);
            let order: Vec<usize> = (0..shape.len()).rev().collect();
            let reversed: Vec<usize> = shape.iter().rev().copied().collect();
            let transposed = Layout::contiguous(&reversed).permuted(&order);
            let mut doubled = shape.to_vec();
            if let Some(last) = doubled.last_mut() {
                *last *= 2;
            }
            let wide = Layout::contiguous(&doubled);
            let mut layouts = vec![plain.clone(), transposed];
            if let (Some(&last), false) = (shape.last(), shape.contains(&0)) {
                layouts.push(wide.sliced(shape.len() - 1, 0, 2, last));
                layouts.push(plain.sliced(shape.len() - 1, last - 1, -1, last));
                layouts.push(Layout::contiguous(&[1]).broadcast_to(shape));
            }
            for other in &layouts {
                assert_eq!(visited([&plain, other]), expected([&plain, other]), "{shape:?} {other:?}");
                assert_eq!(visited([other, &plain]), expected([other, &plain]), "{shape:?} {other:?}");
            }
        }
    }
}
