//! Packing: an operand copied into panels that the microkernel reads from end to end.
//!
//! Both operands are seen as (index, depth): rows of A against k, columns of B against k. A panel of width `W` holds
//! `W` neighbouring indices: `panel[p·W + i]` is the element at index `start + i`, depth `depth + p`. Past the
//! last index there may be any number, as nothing computed from it is kept.

use crate::simd::Float;

/// An operand in memory: element (i, p) is at `ptr + i·step + p·depth_step`.
#[derive(Clone, Copy)]
pub struct Strided<T> {
    pub ptr: *const T,
    pub step: isize,
    pub depth_step: isize,
}

// SAFETY: the elements are only read, and `gemm`'s caller keeps them alive and unchanged.
unsafe impl<T> Sync for Strided<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Strided<T> {}

impl<T> Strided<T> {
    #[inline(always)]
    pub fn at(&self, index: usize, depth: usize) -> *const T {
        self.ptr.wrapping_offset(index as isize * self.step).wrapping_offset(depth as isize * self.depth_step)
    }
}

/// The most lanes a vector has: what is read of a panel ends at a multiple of it, or at the panel's width.
pub const PAD: usize = 16;

impl<T: Float> Strided<T> {
    /// Fills a panel with `count ≤ W` indices from `start` and `kc` depths from `depth`, and what is between the last
    /// index and the next multiple of [`PAD`] with any number.
    ///
    /// # Safety
    /// `panel` is writable for `W · kc` elements; the indices and depths lie inside the operand.
    #[inline(always)]
    pub unsafe fn pack<const W: usize>(&self, panel: *mut T, start: usize, count: usize, depth: usize, kc: usize) {
        let from = self.at(start, depth);
        let padded = count.next_multiple_of(PAD).min(W);
        // SAFETY: `from` is the first of `count × kc` readable elements, and the panel has `W × kc`.
        unsafe {
            if self.step == 1 {
                for p in 0..kc {
                    let (from, to) = (from.wrapping_offset(p as isize * self.depth_step), panel.add(p * W));
                    if count == W {
                        std::ptr::copy_nonoverlapping(from, to, W);
                    } else {
                        for i in 0..padded {
                            *to.add(i) = *from.add(i.min(count - 1));
                        }
                    }
                }
                return;
            }
            let mut i = 0;
            while i < padded {
                let mut rows = [from; 4];
                for d in 0..4 {
                    rows[d] = from.wrapping_offset((i + d).min(count - 1) as isize * self.step);
                }
                let width = (padded - i).min(4);
                let mut p = 0;
                if self.depth_step == 1 && width == 4 {
                    while p + 4 <= kc {
                        let at = [rows[0].add(p), rows[1].add(p), rows[2].add(p), rows[3].add(p)];
                        T::transpose4(at, panel.add(p * W + i), W);
                        p += 4;
                    }
                }
                for p in p..kc {
                    for d in 0..width {
                        *panel.add(p * W + i + d) = *rows[d].wrapping_offset(p as isize * self.depth_step);
                    }
                }
                i += 4;
            }
        }
    }
}
