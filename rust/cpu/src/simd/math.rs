//! Elementary functions over vectors: exp, log, tanh, sigmoid, erf, log1p.
//!
//! The f64 forms are libm's, lane by lane: they are the reference the f32 forms and the gradients are checked against.

use super::{Float, Simd};

/// The elementary functions of a float type.
pub trait Elementary: Sized {
    fn exp<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    fn log<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    fn log1p<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    fn tanh<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    fn sigmoid<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
    fn erf<S: Simd<Self>>(s: S, x: S::V) -> S::V
    where
        Self: Float;
}

/// Applies a scalar function to each lane.
#[inline(always)]
fn per_lane<T: Float, S: Simd<T>>(s: S, x: S::V, f: impl Fn(T) -> T) -> S::V {
    let mut lanes = [T::ZERO; 64];
    // SAFETY: no instruction set has more than 64 lanes.
    unsafe {
        s.store(lanes.as_mut_ptr(), x);
        for lane in &mut lanes[..S::LANES] {
            *lane = f(*lane);
        }
        s.load(lanes.as_ptr())
    }
}

macro_rules! per_lane_impl {
    ($t:ty) => {
        impl Elementary for $t {
            #[inline(always)]
            fn exp<S: Simd<Self>>(s: S, x: S::V) -> S::V {
                per_lane(s, x, |v| libm::exp(v as f64) as $t)
            }
            #[inline(always)]
            fn log<S: Simd<Self>>(s: S, x: S::V) -> S::V {
                per_lane(s, x, |v| libm::log(v as f64) as $t)
            }
            #[inline(always)]
            fn log1p<S: Simd<Self>>(s: S, x: S::V) -> S::V {
                per_lane(s, x, |v| libm::log1p(v as f64) as $t)
            }
            #[inline(always)]
            fn tanh<S: Simd<Self>>(s: S, x: S::V) -> S::V {
                per_lane(s, x, |v| libm::tanh(v as f64) as $t)
            }
            #[inline(always)]
            fn sigmoid<S: Simd<Self>>(s: S, x: S::V) -> S::V {
                per_lane(s, x, |v| (1.0 / (1.0 + libm::exp(-(v as f64)))) as $t)
            }
            #[inline(always)]
            fn erf<S: Simd<Self>>(s: S, x: S::V) -> S::V {
                per_lane(s, x, |v| libm::erf(v as f64) as $t)
            }
        }
    };
}

per_lane_impl!(f32);
per_lane_impl!(f64);
