//! Small blocks turned over, for packing and for changes of memory order.

use super::Float;

/// A 4×4 block turned over: `to[p·to_step + i] = rows[i][p]`.
pub trait Transpose: Sized {
    /// # Safety
    /// The four rows are readable and writable.
    unsafe fn transpose4(rows: [*const Self; 4], to: *mut Self, to_step: usize);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Transpose;
    use std::arch::x86_64::*;

    // Every x86-64 has SSE2; inside a kernel these are compiled in its own encoding.
    impl Transpose for f32 {
        #[inline(always)]
        unsafe fn transpose4(rows: [*const f32; 4], to: *mut f32, to_step: usize) {
            // SAFETY: the caller promises four rows of four on both sides.
            unsafe {
                let (r0, r1) = (_mm_loadu_ps(rows[0]), _mm_loadu_ps(rows[1]));
                let (r2, r3) = (_mm_loadu_ps(rows[2]), _mm_loadu_ps(rows[3]));
                let (lo01, hi01) = (_mm_unpacklo_ps(r0, r1), _mm_unpackhi_ps(r0, r1));
                let (lo23, hi23) = (_mm_unpacklo_ps(r2, r3), _mm_unpackhi_ps(r2, r3));
                _mm_storeu_ps(to, _mm_movelh_ps(lo01, lo23));
                _mm_storeu_ps(to.add(to_step), _mm_movehl_ps(lo23, lo01));
                _mm_storeu_ps(to.add(2 * to_step), _mm_movelh_ps(hi01, hi23));
                _mm_storeu_ps(to.add(3 * to_step), _mm_movehl_ps(hi23, hi01));
            }
        }
    }

    impl Transpose for f64 {
        #[inline(always)]
        unsafe fn transpose4(rows: [*const f64; 4], to: *mut f64, to_step: usize) {
            for i in [0, 2] {
                for p in [0, 2] {
                    // SAFETY: the caller promises four rows of four on both sides.
                    unsafe {
                        let (r0, r1) = (_mm_loadu_pd(rows[i].add(p)), _mm_loadu_pd(rows[i + 1].add(p)));
                        let to = to.add(p * to_step + i);
                        _mm_storeu_pd(to, _mm_unpacklo_pd(r0, r1));
                        _mm_storeu_pd(to.add(to_step), _mm_unpackhi_pd(r0, r1));
                    }
                }
            }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod portable {
    use super::Transpose;

    macro_rules! transpose {
        ($($t:ty)*) => {$(
            impl Transpose for $t {
                #[inline(always)]
                unsafe fn transpose4(rows: [*const $t; 4], to: *mut $t, to_step: usize) {
                    for i in 0..4 {
                        for p in 0..4 {
                            // SAFETY: the caller promises four rows of four on both sides.
                            unsafe { *to.add(p * to_step + i) = *rows[i].add(p) };
                        }
                    }
                }
            }
        )*};
    }
    transpose!(f32 f64);
}

/// `to[r·to_step + c] = from[r·along + c·across]`, in whichever order reads neighbours together.
///
/// # Safety
/// Both are valid over `rows` and `columns`.
#[inline(always)]
pub(crate) unsafe fn copy_matrix<T: Float>(
    from: *const T,
    along: isize,
    across: isize,
    rows: usize,
    columns: usize,
    to: *mut T,
    to_step: usize,
) {
    let at = |r: usize, c: usize| from.wrapping_offset(r as isize * along).wrapping_offset(c as isize * across);
    // SAFETY: the caller's; blocks of 4 × 4 end below both counts.
    unsafe {
        if across == 1 || columns == 1 {
            if columns == to_step && (along == columns as isize || rows == 1) {
                std::ptr::copy_nonoverlapping(from, to, rows * columns);
            } else if columns == 1 {
                for r in 0..rows {
                    *to.add(r * to_step) = *at(r, 0);
                }
            } else {
                for r in 0..rows {
                    std::ptr::copy_nonoverlapping(at(r, 0), to.add(r * to_step), columns);
                }
            }
            return;
        }
        let (mut c, whole) = (0, if along == 1 { rows & !3 } else { 0 });
        while c + 4 <= columns && whole > 0 {
            for r in (0..whole).step_by(4) {
                T::transpose4([at(r, c), at(r, c + 1), at(r, c + 2), at(r, c + 3)], to.add(r * to_step + c), to_step);
            }
            for r in whole..rows {
                for c in c..c + 4 {
                    *to.add(r * to_step + c) = *at(r, c);
                }
            }
            c += 4;
        }
        for c in c..columns {
            for r in 0..rows {
                *to.add(r * to_step + c) = *at(r, c);
            }
        }
    }
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use crate::simd::Float;

    fn check<T: Float>() {
        let from: Vec<T> = (0..40).map(|x| T::from_f64(x as f64)).collect();
        let mut to = vec![T::ZERO; 40];
        // SAFETY: rows of four, nine and seven apart, inside forty elements.
        unsafe { T::transpose4([0, 9, 18, 27].map(|i| from.as_ptr().add(i)), to.as_mut_ptr(), 7) };
        for i in 0..4 {
            for p in 0..4 {
                assert_eq!(to[p * 7 + i], from[i * 9 + p]);
            }
        }
        assert_eq!(to.iter().filter(|&&x| x != T::ZERO).count(), 15);
    }

    #[test]
    fn blocks_are_turned_over() {
        check::<f32>();
        check::<f64>();
    }
}
