//! How a function of whole arrays becomes loops over dense stretches of memory, for any number of operands.
//!
//! Arrays that lie alike are one stretch, cut into blocks for the threads. Others are walked in the memory order of
//! the result: what does not lie side by side is gathered into tiles first, so the inner loop is always dense. Only
//! that loop is compiled for each op and each instruction set; the walk exists once for each number of arrays.

use std::mem::MaybeUninit;

use ferrograd_array::Array;

use crate::cache::LINE;
use crate::copy;
use crate::parallel::{self, SyncPtr};
use crate::path;
use crate::simd::{Float, Kernel, Simd, vectorize};
use crate::strided::{BLOCK, Plan};

/// Elements of a tile.
const TILE: usize = 256;
/// Rows shorter than this share a tile: the call of the inner loop would cost more than the copy.
const SHORT: usize = 64;
/// An operand of more elements than this that lies across the result is copied into its order first: reading it a
/// column at a time would miss the cache at every element.
const REORDER_ABOVE: usize = 16 * 1024;

/// Bytes from which a result is written past the caches: a chain of ops reads it again at once, from the third level if it
/// was left there.
pub(super) const BEYOND: usize = 32 << 20;

/// What is done with `n` elements that lie side by side in every array: `p[0]` is the result, the others are read.
pub(crate) trait Map<const P: usize>: Copy + Send + Sync {
    /// Whose vectors are used; a loop without vectors names any.
    type Lane: Float;
    /// Bytes of an element of each array.
    const SIZES: [usize; P];
    /// Nanoseconds an element, for the serial threshold; a memory-bound op takes about 0.5.
    const NS: f64;

    /// # Safety
    /// `n` elements can be read at each pointer, and written at the first; the first may be equal to another one of
    /// the same element size, and otherwise overlaps none.
    unsafe fn dense<S: Simd<Self::Lane>>(self, s: S, p: [*mut u8; P], n: usize);

    /// The same, written past the caches in whole lines, if it knows how.
    fn past_caches(self) -> Self {
        self
    }

    /// [`dense`](Self::dense) with the instruction set in force. A loop that waits for memory anyway may be compiled
    /// once, for the least of them.
    ///
    /// # Safety
    /// As of [`dense`](Self::dense).
    #[inline]
    unsafe fn run(self, p: [*mut u8; P], n: usize) {
        vectorize(Dense { map: self, p, n });
    }
}

/// One dense stretch, compiled for each instruction set.
struct Dense<M, const P: usize> {
    map: M,
    p: [*mut u8; P],
    n: usize,
}

impl<M: Map<P>, const P: usize> Kernel<M::Lane> for Dense<M, P> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<M::Lane>>(self, s: S) {
        // SAFETY: as whoever made it promises.
        unsafe { self.map.dense(s, self.p, self.n) }
    }
}

/// The first element of an array, whatever its type.
fn first(array: &Array) -> *mut u8 {
    array.buffer().as_ptr().wrapping_add(array.layout().offset * array.dtype().size())
}

/// Computes `map` over whole arrays: `arrays[0]` is written, the others are read as broadcast to its shape. None
/// overlaps it, except where it is the very same elements.
pub(crate) fn apply<M: Map<P>, const P: usize>(map: M, arrays: [&Array; P]) {
    for (array, size) in arrays.iter().zip(M::SIZES) {
        assert_eq!(array.dtype().size(), size, "the elements have the size that the loop was written for");
    }
    let shape = arrays[0].shape();
    if !arrays.iter().all(|a| a.is_contiguous() && (a.shape() == shape)) {
        // SAFETY: the walk hands out stretches of the arrays, or of tiles.
        return walk(arrays, M::NS, &|p, n| unsafe { map.run(p, n) });
    }
    let n = arrays[0].numel();
    let p = arrays.map(first);
    if n <= BLOCK {
        if n > 0 {
            // SAFETY: the arrays are contiguous and have n elements each.
            unsafe { map.run(p, n) };
        }
        return;
    }
    path!("elementwise/dense", parallel);
    const { assert!((BLOCK * M::SIZES[0]).is_multiple_of(LINE)) };
    let past = n * M::SIZES[0] >= BEYOND && p[0].addr().is_multiple_of(LINE) && !p[1..].contains(&p[0]);
    let map = if past { map.past_caches() } else { map };
    let p = p.map(SyncPtr::new);
    parallel::for_range(n, BLOCK, M::NS, |start, end| {
        // SAFETY: the stretch lies inside the arrays, which are contiguous and have n elements each.
        unsafe { map.run(std::array::from_fn(|i| p[i].get().add(start * M::SIZES[i])), end - start) };
    });
}

/// [`apply`] for arrays that do not all lie alike.
#[inline(never)]
fn walk<const P: usize>(arrays: [&Array; P], ns: f64, dense: &(dyn Fn([*mut u8; P], usize) + Sync)) {
    path!("elementwise/strided", parallel);
    let shape = arrays[0].shape();
    let mut owned: [Option<Array>; P] = std::array::from_fn(|_| None);
    for i in 1..P {
        if arrays[0].numel() > REORDER_ABOVE && copy::lies_across(arrays[i].layout(), arrays[0].layout()) {
            path!("elementwise/reordered");
            // Where there is no memory for it, the slower walk does as well.
            owned[i] = Array::empty_like(arrays[0], shape, arrays[i].dtype()).ok();
            if let Some(reordered) = &owned[i] {
                copy::copy_same_size(arrays[i], reordered);
            }
        }
    }
    let arrays: [&Array; P] = std::array::from_fn(|i| owned[i].as_ref().unwrap_or(arrays[i]));
    let layouts = arrays.map(|a| a.layout().broadcast_to(shape));
    let plan = Plan::new(layouts.each_ref());
    let rows = Rows {
        p: arrays.map(first).map(SyncPtr::new),
        sizes: arrays.map(|a| a.dtype().size()),
        strides: plan.inner_strides(),
        dense,
    };
    let short = plan.inner() < SHORT;
    plan.blocks(ns, |start, end| {
        let mut tiles = Tiles([const { MaybeUninit::uninit() }; P]);
        if short {
            let mut filled = Filled { rows: [(0, 0); TILE], count: 0, n: 0 };
            plan.rows(start, end, |offsets, n| rows.collect(offsets, n, &mut tiles, &mut filled));
            rows.flush(&mut tiles, &mut filled);
        } else {
            plan.rows(start, end, |offsets, n| rows.long(offsets, n, &mut tiles));
        }
    });
}

/// Room for a tile of each array.
struct Tiles<const P: usize>([MaybeUninit<[u64; TILE]>; P]);

impl<const P: usize> Tiles<P> {
    fn at(&mut self, i: usize) -> *mut u8 {
        self.0[i].as_mut_ptr().cast()
    }
}

/// The short rows that stand in the tiles: where each belongs in the result, and its length.
struct Filled {
    rows: [(isize, usize); TILE],
    count: usize,
    n: usize,
}

struct Rows<'a, const P: usize> {
    p: [SyncPtr<u8>; P],
    sizes: [usize; P],
    strides: [isize; P],
    dense: &'a (dyn Fn([*mut u8; P], usize) + Sync),
}

impl<const P: usize> Rows<'_, P> {
    fn row(&self, i: usize, offset: isize) -> *mut u8 {
        self.p[i].get().wrapping_offset(offset * self.sizes[i] as isize)
    }

    /// A row of many elements: in one call where everything is dense, else tile by tile.
    fn long(&self, offsets: [isize; P], n: usize, tiles: &mut Tiles<P>) {
        let start: [*mut u8; P] = std::array::from_fn(|i| self.row(i, offsets[i]));
        if self.strides.iter().all(|&s| s == 1) {
            (self.dense)(start, n);
            return;
        }
        for i in 1..P {
            if self.strides[i] == 0 {
                // SAFETY: the one element of the row, and a tile.
                unsafe { gather(self.sizes[i], start[i], 0, n.min(TILE), tiles.at(i)) };
            }
        }
        let mut done = 0;
        while done < n {
            let count = TILE.min(n - done);
            let p = std::array::from_fn(|i| {
                let at = start[i].wrapping_offset(done as isize * self.strides[i] * self.sizes[i] as isize);
                match self.strides[i] {
                    1 => at,
                    stride if i > 0 && stride != 0 => {
                        // SAFETY: `count` elements of the row, which lies inside the array; a tile holds as many.
                        unsafe { gather(self.sizes[i], at, stride, count, tiles.at(i)) };
                        tiles.at(i)
                    }
                    _ => tiles.at(i),
                }
            });
            (self.dense)(p, count);
            if self.strides[0] != 1 {
                let offset = offsets[0] + done as isize * self.strides[0];
                // SAFETY: the elements that were computed into the tile, and their places in the result.
                unsafe { scatter(self.sizes[0], tiles.at(0), self.row(0, offset), self.strides[0], count) };
            }
            done += count;
        }
    }

    /// Puts a row of few elements behind the others in the tiles.
    fn collect(&self, offsets: [isize; P], n: usize, tiles: &mut Tiles<P>, filled: &mut Filled) {
        if filled.n + n > TILE {
            self.flush(tiles, filled);
        }
        for i in 1..P {
            let to = tiles.at(i).wrapping_add(filled.n * self.sizes[i]);
            // SAFETY: a row of the array; the tile has room for it, as asked above (a short row fits an empty tile).
            unsafe { gather(self.sizes[i], self.row(i, offsets[i]), self.strides[i], n, to) };
        }
        filled.rows[filled.count] = (offsets[0], n);
        filled.count += 1;
        filled.n += n;
    }

    /// Computes what stands in the tiles and writes it out.
    fn flush(&self, tiles: &mut Tiles<P>, filled: &mut Filled) {
        if filled.n == 0 {
            return;
        }
        (self.dense)(std::array::from_fn(|i| tiles.at(i)), filled.n);
        let mut from = tiles.at(0);
        for &(offset, n) in &filled.rows[..filled.count] {
            // SAFETY: the row's place in the result, and its part of the tile.
            unsafe { scatter(self.sizes[0], from, self.row(0, offset), self.strides[0], n) };
            from = from.wrapping_add(n * self.sizes[0]);
        }
        (filled.count, filled.n) = (0, 0);
    }
}

/// Elements are moved as bits of their size.
macro_rules! by_size {
    ($size:expr, $t:ident => $body:expr) => {
        match $size {
            1 => {
                type $t = u8;
                $body
            }
            2 => {
                type $t = u16;
                $body
            }
            4 => {
                type $t = u32;
                $body
            }
            _ => {
                type $t = u64;
                $body
            }
        }
    };
}
pub(crate) use by_size;

/// `n` elements `stride` apart, side by side in a tile.
unsafe fn gather(size: usize, from: *const u8, stride: isize, n: usize, to: *mut u8) {
    by_size!(size, T => {
        let (from, to) = (from.cast::<T>(), to.cast::<T>());
        // SAFETY: as the caller's.
        unsafe {
            match stride {
                1 => std::ptr::copy_nonoverlapping(from, to, n),
                0 => std::slice::from_raw_parts_mut(to.cast::<MaybeUninit<T>>(), n).fill(MaybeUninit::new(*from)),
                _ => {
                    for j in 0..n {
                        *to.add(j) = *from.offset(j as isize * stride);
                    }
                }
            }
        }
    });
}

/// `n` elements of a tile to places `stride` apart.
unsafe fn scatter(size: usize, from: *const u8, to: *mut u8, stride: isize, n: usize) {
    by_size!(size, T => {
        let (from, to) = (from.cast::<T>(), to.cast::<T>());
        // SAFETY: as the caller's.
        unsafe {
            if stride == 1 {
                std::ptr::copy_nonoverlapping(from, to, n);
            } else {
                for j in 0..n {
                    *to.offset(j as isize * stride) = *from.add(j);
                }
            }
        }
    });
}
