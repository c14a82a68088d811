use super::{Float, Simd};

/// No explicit instructions: arrays of eight lanes in plain loops, which the compiler vectorises for the target.
#[derive(Clone, Copy)]
pub struct Scalar;

const N: usize = 8;

/// Multiply-add: fused where the target has it, else two roundings (a software fma would be a hundred times slower).
trait Fma {
    fn fma(self, b: Self, c: Self) -> Self;
}

/// `2ⁿ` without a conversion, which the compiler would not vectorise.
trait Power {
    /// Adding this leaves an integer, biased as an exponent is, in the lowest bits.
    const BIAS: Self;
    /// `2ⁿ` from `n + BIAS`.
    fn shift(self) -> Self;
}

macro_rules! scalar {
    ($t:ty, $bits:ty, $mantissa:expr, $bias:expr) => {
        impl Power for $t {
            const BIAS: Self = ((3 as $bits) << ($mantissa - 1)) as $t + $bias;

            #[inline(always)]
            fn shift(self) -> Self {
                <$t>::from_bits(self.to_bits() << $mantissa)
            }
        }

        impl Fma for $t {
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                if <Scalar as Simd<$t>>::FUSED { self.mul_add(b, c) } else { self * b + c }
            }
        }

        impl Simd<$t> for Scalar {
            type V = [$t; N];
            type M = [bool; N];
            const LANES: usize = N;
            const REGISTERS: usize = 8;
            const FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

            #[inline(always)]
            fn splat(self, x: $t) -> Self::V {
                [x; N]
            }

            #[inline(always)]
            unsafe fn load(self, p: *const $t) -> Self::V {
                // SAFETY: the caller promises N elements.
                unsafe { p.cast::<[$t; N]>().read_unaligned() }
            }

            #[inline(always)]
            unsafe fn store(self, p: *mut $t, v: Self::V) {
                // SAFETY: the caller promises N elements.
                unsafe { p.cast::<[$t; N]>().write_unaligned(v) }
            }

            #[inline(always)]
            unsafe fn load_partial(self, p: *const $t, n: usize) -> Self::V {
                let mut v = [0.0; N];
                for i in 0..n {
                    // SAFETY: the caller promises n elements.
                    v[i] = unsafe { *p.add(i) };
                }
                v
            }

            #[inline(always)]
            unsafe fn store_partial(self, p: *mut $t, n: usize, v: Self::V) {
                for i in 0..n {
                    // SAFETY: the caller promises n elements.
                    unsafe { *p.add(i) = v[i] };
                }
            }

            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(
                    #[inline(always)]
                    |i| a[i] + b[i],
                )
            }

            #[inline(always)]
            fn sub(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(
                    #[inline(always)]
                    |i| a[i] - b[i],
                )
            }

            #[inline(always)]
            fn mul(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(
                    #[inline(always)]
                    |i| a[i] * b[i],
                )
            }

            #[inline(always)]
            fn div(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(
                    #[inline(always)]
                    |i| a[i] / b[i],
                )
            }

            #[inline(always)]
            fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                std::array::from_fn(
                    #[inline(always)]
                    |i| Fma::fma(a[i], b[i], c[i]),
                )
            }

            #[inline(always)]
            fn sqrt(self, a: Self::V) -> Self::V {
                a.map(
                    #[inline(always)]
                    |x| x.sqrt(),
                )
            }

            #[inline(always)]
            fn neg(self, a: Self::V) -> Self::V {
                a.map(
                    #[inline(always)]
                    |x| -x,
                )
            }

            #[inline(always)]
            fn abs(self, a: Self::V) -> Self::V {
                a.map(
                    #[inline(always)]
                    |x| x.abs(),
                )
            }

            #[inline(always)]
            fn copysign(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(
                    #[inline(always)]
                    |i| a[i].copysign(b[i]),
                )
            }

            #[inline(always)]
            fn max(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(
                    #[inline(always)]
                    |i| if a[i] > b[i] { a[i] } else { b[i] },
                )
            }

            #[inline(always)]
            fn min(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(
                    #[inline(always)]
                    |i| if a[i] < b[i] { a[i] } else { b[i] },
                )
            }

            #[inline(always)]
            fn round(self, a: Self::V) -> Self::V {
                a.map(
                    #[inline(always)]
                    |x| x.round_ties_even(),
                )
            }

            #[inline(always)]
            fn floor(self, a: Self::V) -> Self::V {
                a.map(
                    #[inline(always)]
                    |x| x.floor(),
                )
            }

            #[inline(always)]
            fn lt(self, a: Self::V, b: Self::V) -> Self::M {
                std::array::from_fn(
                    #[inline(always)]
                    |i| a[i] < b[i],
                )
            }

            #[inline(always)]
            fn le(self, a: Self::V, b: Self::V) -> Self::M {
                std::array::from_fn(
                    #[inline(always)]
                    |i| a[i] <= b[i],
                )
            }

            #[inline(always)]
            fn eq(self, a: Self::V, b: Self::V) -> Self::M {
                std::array::from_fn(
                    #[inline(always)]
                    |i| a[i] == b[i],
                )
            }

            #[inline(always)]
            fn ne(self, a: Self::V, b: Self::V) -> Self::M {
                std::array::from_fn(
                    #[inline(always)]
                    |i| a[i] != b[i],
                )
            }

            #[inline(always)]
            fn mask_and(self, a: Self::M, b: Self::M) -> Self::M {
                std::array::from_fn(
                    #[inline(always)]
                    |i| a[i] & b[i],
                )
            }

            #[inline(always)]
            fn mask_or(self, a: Self::M, b: Self::M) -> Self::M {
                std::array::from_fn(
                    #[inline(always)]
                    |i| a[i] | b[i],
                )
            }

            #[inline(always)]
            fn mask_any(self, a: Self::M) -> bool {
                a.iter().any(
                    #[inline(always)]
                    |&x| x,
                )
            }

            #[inline(always)]
            fn select(self, mask: Self::M, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(
                    #[inline(always)]
                    |i| if mask[i] { a[i] } else { b[i] },
                )
            }

            #[inline(always)]
            fn ldexp(self, a: Self::V, n: Self::V) -> Self::V {
                std::array::from_fn(
                    #[inline(always)]
                    |i| {
                        // Two steps, so that results below the normal range are reached by one rounding.
                        let shifted = n[i] * 0.5 + <$t>::BIAS;
                        let rest = n[i] - (shifted - <$t>::BIAS);
                        a[i] * shifted.shift() * (rest + <$t>::BIAS).shift()
                    },
                )
            }

            #[inline(always)]
            fn power(self, n: Self::V) -> Self::V {
                n.map(
                    #[inline(always)]
                    |n| (n + <$t>::BIAS).shift(),
                )
            }

            #[inline(always)]
            fn frexp(self, a: Self::V) -> (Self::V, Self::V) {
                let (mut m, mut e) = ([0.0; N], [0.0; N]);
                for i in 0..N {
                    // Subtracting the bits of √½ puts the break of the exponent field there.
                    let root_half = std::f64::consts::FRAC_1_SQRT_2 as $t;
                    let shifted = a[i].to_bits().wrapping_sub(root_half.to_bits());
                    let exponent = (shifted as <$bits as Signed>::Int) >> $mantissa;
                    e[i] = exponent as $t;
                    m[i] = <$t>::from_bits(a[i].to_bits().wrapping_sub((exponent << $mantissa) as $bits));
                }
                (m, e)
            }

            #[inline(always)]
            fn unzip(self, a: Self::V, b: Self::V) -> (Self::V, Self::V) {
                let (mut even, mut odd) = (a, a);
                for i in 0..N / 2 {
                    (even[i], odd[i]) = (a[2 * i], a[2 * i + 1]);
                    (even[N / 2 + i], odd[N / 2 + i]) = (b[2 * i], b[2 * i + 1]);
                }
                (even, odd)
            }

            #[inline(always)]
            fn zip(self, a: Self::V, b: Self::V) -> (Self::V, Self::V) {
                let (mut first, mut second) = (a, a);
                for i in 0..N / 2 {
                    (first[2 * i], first[2 * i + 1]) = (a[i], b[i]);
                    (second[2 * i], second[2 * i + 1]) = (a[N / 2 + i], b[N / 2 + i]);
                }
                (first, second)
            }

            #[inline(always)]
            unsafe fn load_index(self, p: *const i64) -> Self::V {
                let mut v = [0.0; N];
                for i in 0..N {
                    // SAFETY: the caller promises N integers.
                    let index = unsafe { *p.add(i) };
                    v[i] = if index as u64 >> 31 == 0 { index as i32 as $t } else { <$t>::NAN };
                }
                v
            }

            #[inline(always)]
            unsafe fn store_index(self, p: *mut i64, v: Self::V, base: i64, _: bool) {
                for i in 0..N {
                    // SAFETY: the caller promises N integers.
                    unsafe { *p.add(i) = base + v[i] as i64 };
                }
            }

            #[inline(always)]
            fn sum(self, a: Self::V) -> $t {
                ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
            }

            #[inline(always)]
            fn hmax(self, a: Self::V) -> $t {
                let mut best = a[0];
                for x in a {
                    if x > best || Float::is_nan(x) {
                        best = x;
                    }
                }
                best
            }

            #[inline(always)]
            fn hmin(self, a: Self::V) -> $t {
                let mut best = a[0];
                for x in a {
                    if x < best || Float::is_nan(x) {
                        best = x;
                    }
                }
                best
            }
        }
    };
}

trait Signed {
    type Int;
}
impl Signed for u32 {
    type Int = i32;
}
impl Signed for u64 {
    type Int = i64;
}

scalar!(f32, u32, 23, 127.0);
scalar!(f64, u64, 52, 1023.0);
