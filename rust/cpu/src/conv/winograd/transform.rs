//! The transforms of F(4×4, 3×3), for a vector of channels at a time.
//!
//! Toom–Cook at the points 0, ±2/3, ±3/2 and ∞. Among the points tried (`benches/notes/conv.md`) these give the least
//! error: 3/2 is the inverse of 2/3, so that no power of a point is far from one.

use crate::simd::Simd;

/// Points of a tile along a side, and of its result.
pub const SIDE: usize = 6;
pub const STEP: usize = 4;
/// Products of a tile.
pub const PLANES: usize = SIDE * SIDE;

const A: f32 = 2.0 / 3.0;
const B: f32 = 1.5;
const A2: f32 = 4.0 / 9.0;
const B2: f32 = 2.25;
const A3: f32 = 8.0 / 27.0;
const B3: f32 = 3.375;
/// a² + b², the middle coefficient of (x² - a²)(x² - b²) = x⁴ - (a² + b²)·x² + 1.
const SUM: f32 = 97.0 / 36.0;
/// One over the product of a point's differences to the others.
const INVERSE_A: f32 = -81.0 / 130.0;
const INVERSE_B: f32 = 8.0 / 65.0;

/// x - factor·y
#[inline(always)]
fn less<S: Simd<f32>>(s: S, x: S::V, factor: f32, y: S::V) -> S::V {
    s.fma(s.splat(-factor), y, x)
}

/// even + point·odd and even - point·odd
#[inline(always)]
fn both<S: Simd<f32>>(s: S, even: S::V, point: f32, odd: S::V) -> (S::V, S::V) {
    (s.fma(s.splat(point), odd, even), less(s, even, point, odd))
}

/// Six neighbours of the input as values at the points.
#[inline(always)]
pub fn input<S: Simd<f32>>(s: S, d: [S::V; 6]) -> [S::V; 6] {
    let (a, minus_a) = both(s, less(s, d[4], B2, d[2]), A, less(s, d[3], B2, d[1]));
    let (b, minus_b) = both(s, less(s, d[4], A2, d[2]), B, less(s, d[3], A2, d[1]));
    let zero = less(s, s.add(d[0], d[4]), SUM, d[2]);
    let infinity = less(s, s.add(d[1], d[5]), SUM, d[3]);
    [zero, a, minus_a, b, minus_b, infinity]
}

/// A polynomial of degree 3 (`N = 4`) or 2 at ±`point`, over the product of the point's differences to the others.
#[inline(always)]
fn at<S: Simd<f32>, const N: usize>(s: S, g: [S::V; N], point: f32, square: f32, inverse: f32) -> (S::V, S::V) {
    let even = s.mul(s.splat(inverse), s.fma(s.splat(square), g[2], g[0]));
    let odd = if N == 4 { s.fma(s.splat(square), g[N - 1], g[1]) } else { g[1] };
    both(s, even, inverse * point, odd)
}

/// A polynomial of degree 3 (`N = 4`) or 2 as values at the points, over the products of their differences.
#[inline(always)]
pub fn kernel<S: Simd<f32>, const N: usize>(s: S, g: [S::V; N]) -> [S::V; 6] {
    let (a, minus_a) = at(s, g, A, A2, INVERSE_A);
    let (b, minus_b) = at(s, g, B, B2, INVERSE_B);
    [g[0], a, minus_a, b, minus_b, g[N - 1]]
}

/// Values at the points as the sums that they stand for: four of a result, or (`N = 3`) three of a weight's gradient.
#[inline(always)]
pub fn output<S: Simd<f32>, const N: usize>(s: S, m: [S::V; 6]) -> [S::V; N] {
    let (even_a, odd_a) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (even_b, odd_b) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    let mut y = [s.add(m[0], s.add(even_a, even_b)); N];
    y[1] = s.fma(s.splat(A), odd_a, s.mul(s.splat(B), odd_b));
    y[2] = s.fma(s.splat(A2), even_a, s.mul(s.splat(B2), even_b));
    if N == 4 {
        y[N - 1] = s.fma(s.splat(A3), odd_a, s.mul(s.splat(B3), odd_b));
    }
    y[N - 1] = s.add(y[N - 1], m[5]);
    y
}

/// A transform along both sides of a square: `load(row, column)`, then `store(row, column, vector)`.
#[inline(always)]
pub fn square<S: Simd<f32>, const FROM: usize, const TO: usize>(
    s: S,
    along: impl Fn(S, [S::V; FROM]) -> [S::V; TO],
    load: impl Fn(usize, usize) -> S::V,
    mut store: impl FnMut(usize, usize, S::V),
) {
    let mut half = [[s.zero(); FROM]; TO];
    for j in 0..FROM {
        let mut column = [s.zero(); FROM];
        for i in 0..FROM {
            column[i] = load(i, j);
        }
        let column = along(s, column);
        for i in 0..TO {
            half[i][j] = column[i];
        }
    }
    for i in 0..TO {
        let row = along(s, half[i]);
        for j in 0..TO {
            store(i, j, row[j]);
        }
    }
}
