//! Every strategy against a plain product in double precision, on every instruction set of the machine.

use ferrograd_unit::test;

use std::collections::BTreeSet;

use super::*;
use crate::isa::Isa;

/// Numbers in (−1, 1) that repeat from run to run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as f64 / (1u64 << 30) as f64) - 1.0
    }

    fn below(&mut self, n: usize) -> usize {
        (((self.next() + 1.0) * 0.5 * n as f64) as usize).min(n - 1)
    }
}

/// How a matrix lies in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    Rows,
    Columns,
    /// Every second column of every third row.
    Apart,
    /// Rows and columns walk back.
    Backwards,
    /// One row for all.
    OneRow,
    /// One column for all.
    OneColumn,
}

const INPUTS: [Order; 6] =
    [Order::Rows, Order::Columns, Order::Apart, Order::Backwards, Order::OneRow, Order::OneColumn];
const OUTPUTS: [Order; 4] = [Order::Rows, Order::Columns, Order::Apart, Order::Backwards];

/// A matrix in a vector with a margin on both sides, which must stay as it is.
#[derive(Clone)]
struct Stored<T> {
    data: Vec<T>,
    first: usize,
    row_stride: isize,
    col_stride: isize,
}

const MARGIN: usize = 40;

impl<T: Float> Stored<T> {
    fn new(rows: usize, columns: usize, order: Order, random: &mut Random) -> Self {
        let (r, c) = (rows as isize, columns as isize);
        let (row_stride, col_stride) = match order {
            Order::Rows => (c, 1),
            Order::Columns => (1, r),
            Order::Apart => (6 * c + 5, 2),
            Order::Backwards => (-c, -1),
            Order::OneRow => (0, 1),
            Order::OneColumn => (1, 0),
        };
        let span = (r - 1).max(0) * row_stride.abs() + (c - 1).max(0) * col_stride.abs();
        let data: Vec<T> = (0..span as usize + 1 + 2 * MARGIN).map(|_| T::from_f64(random.next())).collect();
        let first = MARGIN + if order == Order::Backwards { span as usize } else { 0 };
        Self { data, first, row_stride, col_stride }
    }

    fn index(&self, i: usize, j: usize) -> usize {
        (self.first as isize + i as isize * self.row_stride + j as isize * self.col_stride) as usize
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        self.data[self.index(i, j)].to_f64()
    }

    fn matrix(&self) -> Matrix<T> {
        Matrix::new(self.data[self.first..].as_ptr(), self.row_stride, self.col_stride)
    }

    fn matrix_mut(&mut self) -> MatrixMut<T> {
        MatrixMut::new(self.data[self.first..].as_mut_ptr(), self.row_stride, self.col_stride)
    }
}

#[derive(Debug, Clone, Copy)]
enum BiasOf {
    None,
    Rows,
    Columns,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    m: usize,
    n: usize,
    k: usize,
    orders: [Order; 3],
    accumulate: bool,
    bias: BiasOf,
    activation: Activation,
}

impl Case {
    fn plain(m: usize, n: usize, k: usize, orders: [Order; 3]) -> Self {
        Self { m, n, k, orders, accumulate: false, bias: BiasOf::None, activation: Activation::None }
    }
}

/// The error a sum of k products may have, and a little for the activation.
fn check_element<T: Float>(got: T, sum: f64, magnitude: f64, case: &Case, what: &str) {
    let epsilon = if size_of::<T>() == 4 { f32::EPSILON as f64 } else { f64::EPSILON };
    let bound = 8.0 * epsilon * (case.k.max(1) as f64).sqrt() * magnitude;
    let expected = case.activation.of(sum);
    let slack = if case.activation == Activation::None { 0.0 } else { 4.0 * epsilon * (1.0 + expected.abs()) };
    // No activation here is steeper than 1.2.
    let error = (got.to_f64() - expected).abs();
    assert!(error <= 1.2 * bound + slack, "{what}: {got:?} against {expected}, off by {error:e} > {bound:e}; {case:?}");
}

fn epilogue_of<T: Float>(case: &Case, bias: &[T]) -> Epilogue<T> {
    let bias = match case.bias {
        BiasOf::None => Bias::None,
        BiasOf::Rows => Bias::Rows(bias.as_ptr()),
        BiasOf::Columns => Bias::Columns(bias.as_ptr()),
    };
    Epilogue { bias, activation: case.activation }
}

/// What C must be: `Σ a·b (+ c) (+ bias)` and the sum of magnitudes.
fn expected<T: Float>(
    a: &Stored<T>,
    b: &Stored<T>,
    c: &Stored<T>,
    bias: &[T],
    case: &Case,
    i: usize,
    j: usize,
) -> (f64, f64) {
    let (mut sum, mut magnitude) = (0.0, 0.0);
    let mut add = |x: f64| {
        sum += x;
        magnitude += x.abs();
    };
    (0..case.k).for_each(|p| add(a.at(i, p) * b.at(p, j)));
    if case.accumulate {
        add(c.at(i, j));
    }
    match case.bias {
        BiasOf::None => {}
        BiasOf::Rows => add(bias[i].to_f64()),
        BiasOf::Columns => add(bias[j].to_f64()),
    }
    (sum, magnitude)
}

fn check<T: Float>(case: Case, random: &mut Random) {
    let Case { m, n, k, orders, .. } = case;
    let a = Stored::<T>::new(m, k, orders[0], random);
    let b = Stored::<T>::new(k, n, orders[1], random);
    let before = Stored::<T>::new(m, n, orders[2], random);
    let bias: Vec<T> = (0..m.max(n)).map(|_| T::from_f64(random.next())).collect();
    let mut c = before.clone();
    let epilogue = epilogue_of(&case, &bias);
    // SAFETY: the matrices hold their shapes.
    unsafe {
        gemm(m, n, k, a.matrix(), b.matrix(), c.matrix_mut(), case.accumulate, epilogue).unwrap();
    }
    let mut written = BTreeSet::new();
    for i in 0..m {
        for j in 0..n {
            let at = c.index(i, j);
            written.insert(at);
            let (sum, magnitude) = expected(&a, &b, &before, &bias, &case, i, j);
            check_element(c.data[at], sum, magnitude, &case, &format!("({i}, {j})"));
        }
    }
    for at in 0..c.data.len() {
        assert!(written.contains(&at) || c.data[at] == before.data[at], "element {at} outside C was written; {case:?}");
    }
}

fn everywhere(f: impl Fn()) {
    for isa in Isa::available() {
        crate::isa::with(isa, &f);
    }
}

fn both(case: Case, random: &mut Random) {
    check::<f32>(case, random);
    check::<f64>(case, random);
}

#[test]
fn every_order_of_every_operand() {
    everywhere(|| {
        let mut random = Random(1);
        for a in INPUTS {
            for b in INPUTS {
                for c in OUTPUTS {
                    for (m, n, k) in [(1, 1, 7), (37, 1, 19), (1, 37, 19), (37, 29, 1), (37, 29, 19), (70, 5, 66)] {
                        both(Case::plain(m, n, k, [a, b, c]), &mut random);
                    }
                }
            }
        }
    });
}

#[test]
fn sizes_around_every_tile_edge() {
    let sizes = [0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 23, 24, 25, 31, 32, 33, 47, 48, 49];
    everywhere(|| {
        let mut random = Random(2);
        for m in sizes {
            for n in sizes {
                let k = sizes[random.below(sizes.len())];
                let orders = [INPUTS[random.below(2)], INPUTS[random.below(2)], OUTPUTS[random.below(2)]];
                let case = Case { accumulate: random.below(2) == 1, ..Case::plain(m, n, k, orders) };
                both(case, &mut random);
            }
        }
    });
}

#[test]
fn sizes_around_every_block_edge() {
    let (row, column) = (Order::Rows, Order::Columns);
    everywhere(|| {
        let mut random = Random(3);
        for (m, n, k) in [
            (191, 193, 30),
            (193, 400, 17),
            (200, 150, 255),
            (200, 150, 257),
            (150, 200, 511),
            (150, 130, 513),
            (40, 30, 1030),
            (3073, 9, 40),
            (9, 3075, 40),
            (4099, 50, 5),
            (50, 4099, 5),
        ] {
            for orders in [[row, row, row], [row, column, row], [column, row, row], [column, column, column]] {
                let case = Case { accumulate: random.below(2) == 1, ..Case::plain(m, n, k, orders) };
                both(case, &mut random);
            }
        }
    });
}

#[test]
fn vectors_around_their_blocks() {
    let (row, column) = (Order::Rows, Order::Columns);
    everywhere(|| {
        let mut random = Random(4);
        for (m, k) in [(1, 16384), (1, 16385), (3, 40000), (255, 300), (257, 300), (2047, 40), (2049, 40), (5000, 3)] {
            for order in [row, column, Order::Apart] {
                for bias in [BiasOf::None, BiasOf::Rows, BiasOf::Columns] {
                    let accumulate = random.below(2) == 1;
                    let activation = Activation::ALL[random.below(6)];
                    let case = Case { accumulate, bias, activation, ..Case::plain(m, 1, k, [order, column, row]) };
                    both(case, &mut random);
                    let case = Case { m: 1, n: m, orders: [row, order, row], ..case };
                    both(case, &mut random);
                }
            }
        }
    });
}

#[test]
fn epilogues() {
    everywhere(|| {
        let mut random = Random(5);
        for activation in Activation::ALL {
            for bias in [BiasOf::None, BiasOf::Rows, BiasOf::Columns] {
                for accumulate in [false, true] {
                    for (m, n, k) in [
                        (0, 3, 4),
                        (3, 0, 4),
                        (5, 7, 0),
                        (45, 31, 0),
                        (45, 31, 1),
                        (45, 31, 33),
                        (20, 33, 600),
                        (33, 1, 9),
                        (1, 33, 9),
                    ] {
                        for c in OUTPUTS {
                            let orders = [INPUTS[random.below(4)], INPUTS[random.below(4)], c];
                            both(Case { m, n, k, orders, accumulate, bias, activation }, &mut random);
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn parts_of_the_depth() {
    everywhere(|| {
        let mut random = Random(6);
        for (m, n, k) in [(2, 5, 2048), (33, 13, 2049), (35, 26, 4100), (16, 16, 9000), (70, 45, 4099)] {
            for c in OUTPUTS {
                let orders = [INPUTS[random.below(6)], INPUTS[random.below(6)], c];
                let case = Case { accumulate: random.below(2) == 1, ..Case::plain(m, n, k, orders) };
                both(case, &mut random);
                let bias = if random.below(2) == 1 { BiasOf::Columns } else { BiasOf::Rows };
                both(Case { bias, activation: Activation::Relu, ..case }, &mut random);
            }
        }
    });
}

/// A large result goes past the caches: the same numbers as its halves, which do not.
#[test]
fn large_results_are_those_of_their_halves() {
    let (m, n, k) = (1056, 2000, 5);
    everywhere(|| {
        let mut random = Random(11);
        let a = Stored::<f32>::new(m, k, Order::Columns, &mut random);
        let b = Stored::<f32>::new(k, n, Order::Rows, &mut random);
        let room = |columns: usize| ferrograd_array::Buffer::alloc(m * columns * 4).unwrap();
        let (whole, half) = (room(n), room(n / 2));
        let to = |room: &ferrograd_array::Buffer| MatrixMut::new(room.as_ptr().cast::<f32>(), 1, m as isize);
        let bias: Vec<f32> = (0..m.max(n)).map(|_| random.next() as f32).collect();
        let of = |bias, activation| Epilogue { bias, activation };
        for epilogue in [
            Epilogue::NONE,
            of(Bias::Rows(bias.as_ptr()), Activation::None),
            of(Bias::Columns(bias.as_ptr()), Activation::Relu),
        ] {
            let problem = |n, c| Problem { m, n, k, c, accumulate: false, epilogue };
            assert!(blocking::streams(&problem(n, to(&whole))) && !blocking::streams(&problem(n / 2, to(&half))));
            // SAFETY: the matrices, the bias and the buffers hold their shapes.
            unsafe {
                gemm(m, n, k, a.matrix(), b.matrix(), to(&whole), false, epilogue).unwrap();
                for part in 0..2 {
                    let first = part * n / 2;
                    let columns =
                        Matrix { ptr: b.matrix().ptr.offset(first as isize * b.matrix().col_stride), ..b.matrix() };
                    let bias = match epilogue.bias {
                        Bias::Columns(bias) => Bias::Columns(bias.add(first)),
                        bias => bias,
                    };
                    gemm(m, n / 2, k, a.matrix(), columns, to(&half), false, Epilogue { bias, ..epilogue }).unwrap();
                    let of = |p: *mut f32| std::slice::from_raw_parts(p.cast_const(), m * n / 2);
                    assert_eq!(of(to(&whole).ptr.add(first * m)), of(to(&half).ptr));
                }
            }
        }
    });
}

/// Shapes that lead to each strategy, whatever the tile.
fn strategies<T: Float>() -> [(&'static str, Case); 13] {
    let (_, nr) = blocking::tile::<T>();
    let few = crate::simd::lanes::<T>() / 2 + 1;
    let (row, column) = (Order::Rows, Order::Columns);
    [
        ("gemm/direct", Case::plain(1000, 3, 600, [column, column, column])),
        ("gemm/packed_a", Case::plain(1000, 40, 60, [row, column, column])),
        ("gemm/packed_b", Case::plain(400, 4 * nr, (1 << 12) / nr + 10, [column, column, column])),
        ("gemm/packed_b", Case::plain(400, 4 * nr, (1 << 12) / nr + 10, [column, row, column])),
        ("gemm/packed", Case::plain(1000, 5 * nr, 900, [column, row, column])),
        ("gemm/packed", Case::plain(1000, 5 * nr, 900, [column, column, Order::Apart])),
        ("gemm/deep", Case::plain(40, 50, 6000, [row, column, column])),
        ("gemm/dots", Case::plain(few, 300, 8000, [row, column, column])),
        ("gemm/dots", Case::plain(few, 300, 8000, [column, column, column])),
        ("gemm/outer", Case::plain(700, 600, 1, [column, column, column])),
        ("gemv/rows", Case::plain(900, 1, 700, [row, column, column])),
        ("gemv/columns", Case::plain(5000, 1, 700, [column, column, column])),
        ("gemv/strided", Case::plain(900, 1, 700, [Order::Apart, column, column])),
    ]
}

#[test]
fn every_strategy_is_right() {
    everywhere(|| {
        let mut random = Random(9);
        for accumulate in [false, true] {
            let with = |case| Case { accumulate, bias: BiasOf::Rows, activation: Activation::Gelu, ..case };
            strategies::<f32>().into_iter().for_each(|(_, case)| check::<f32>(with(case), &mut random));
            strategies::<f64>().into_iter().for_each(|(_, case)| check::<f64>(with(case), &mut random));
        }
    });
}

/// The shapes above do lead where they say, and to work for two threads.
#[cfg(feature = "testing")]
#[test]
fn every_strategy_is_reached() {
    let threads = parallel::num_threads();
    everywhere(|| {
        for (name, case) in strategies::<f32>() {
            let mut random = Random(10);
            let a = Stored::<f32>::new(case.m, case.k, case.orders[0], &mut random);
            let b = Stored::<f32>::new(case.k, case.n, case.orders[1], &mut random);
            let mut c = Stored::<f32>::new(case.m, case.n, case.orders[2], &mut random);
            let seen = || {
                let key = (name, crate::isa::current().name());
                crate::paths::entered().into_iter().any(|(path, isa, tasks)| (path, isa) == key && tasks > 1)
            };
            // Another test may be using the threads at the moment.
            for _ in 0..1000 {
                parallel::set_num_threads(2);
                // SAFETY: the matrices hold their shapes.
                unsafe {
                    gemm(case.m, case.n, case.k, a.matrix(), b.matrix(), c.matrix_mut(), false, Epilogue::NONE)
                        .unwrap();
                }
                if seen() {
                    break;
                }
            }
            assert!(seen(), "{name} was not entered with more than one task; {case:?}");
        }
    });
    parallel::set_num_threads(threads);
}

fn check_batch<T: Float>(sizes: &[usize], shared: [usize; 2], m: usize, n: usize, k: usize, random: &mut Random) {
    let count: usize = sizes.iter().product();
    let (rows, columns) = (Order::Rows, Order::Columns);
    // One operand a product, except along the dimensions where all share one.
    let mut dims = Vec::new();
    let mut steps = [m * k, k * n, m * n];
    for (d, &size) in sizes.iter().enumerate().rev() {
        let mut dim = BatchDim { size, a: steps[0] as isize, b: steps[1] as isize, c: steps[2] as isize };
        for operand in 0..3 {
            if operand < 2 && shared[operand] == d {
                if operand == 0 { dim.a = 0 } else { dim.b = 0 }
            } else {
                steps[operand] *= size;
            }
        }
        dims.insert(0, dim);
    }
    let a = Stored::<T>::new(m, steps[0].max(1) / m.max(1) + k, rows, random);
    let b = Stored::<T>::new(k, steps[1].max(1) / k.max(1) + n, columns, random);
    let mut c = Stored::<T>::new(m, count * n + n, rows, random);
    let bias: Vec<T> = (0..n).map(|_| T::from_f64(random.next())).collect();
    let epilogue = Epilogue { bias: Bias::Columns(bias.as_ptr()), activation: Activation::Tanh };
    let (am, bm) = (Matrix::new(a.matrix().ptr, k as isize, 1), Matrix::new(b.matrix().ptr, 1, k as isize));
    let cm = MatrixMut::new(c.matrix_mut().ptr, n as isize, 1);
    // SAFETY: the vectors hold `steps` elements and more.
    unsafe { gemm_batched(&dims, m, n, k, am, bm, cm, false, epilogue).unwrap() };
    let case = Case { activation: Activation::Tanh, ..Case::plain(m, n, k, [rows, columns, rows]) };
    for index in 0..count {
        let (mut left, mut at) = (index, [0usize; 3]);
        for dim in dims.iter().rev() {
            let i = left % dim.size;
            left /= dim.size;
            at[0] += i * dim.a as usize;
            at[1] += i * dim.b as usize;
            at[2] += i * dim.c as usize;
        }
        for i in 0..m {
            for j in 0..n {
                let products = (0..k).map(|p| {
                    a.data[a.first + at[0] + i * k + p].to_f64() * b.data[b.first + at[1] + j * k + p].to_f64()
                });
                let terms: Vec<f64> = products.chain([bias[j].to_f64()]).collect();
                let magnitude = terms.iter().map(|x| x.abs()).sum();
                let got = c.data[c.first + at[2] + i * n + j];
                check_element(got, terms.iter().sum(), magnitude, &case, &format!("product {index} ({i}, {j})"));
            }
        }
    }
}

#[test]
fn batches() {
    everywhere(|| {
        let mut random = Random(7);
        for (m, n, k) in [(5, 7, 3), (33, 20, 40), (1, 9, 30), (9, 1, 30), (4, 4, 0), (0, 3, 3)] {
            for sizes in [&[][..], &[0], &[1], &[7], &[2, 3], &[2, 3, 4]] {
                for shared in [[9, 9], [0, 9], [9, 0], [0, 1], [1, 0], [0, 0]] {
                    check_batch::<f32>(sizes, shared, m, n, k, &mut random);
                    check_batch::<f64>(sizes, shared, m, n, k, &mut random);
                }
            }
        }
        // Products that are split over threads one after the other.
        check_batch::<f32>(&[2], [0, 9], 260, 250, 700, &mut random);
    });
}

/// The same product under 1, 2 and 8 threads.
fn bits<T: Float>(m: usize, n: usize, k: usize, orders: [Order; 3], batch: usize) {
    let mut random = Random(8);
    let a = Stored::<T>::new(m, k, orders[0], &mut random);
    let b = Stored::<T>::new(k, n, orders[1], &mut random);
    let zero = Stored::<T>::new(m, n * batch, orders[2], &mut random);
    let bias: Vec<T> = (0..n).map(|_| T::from_f64(random.next())).collect();
    let epilogue = Epilogue { bias: Bias::Columns(bias.as_ptr()), activation: Activation::Sigmoid };
    let dims = [BatchDim { size: batch, a: 0, b: 0, c: n as isize * zero.col_stride }];
    let results: Vec<Vec<T>> = [1, 2, 8]
        .map(|threads| {
            parallel::set_num_threads(threads);
            let mut c = zero.clone();
            // SAFETY: the matrices hold their shapes.
            unsafe { gemm_batched(&dims, m, n, k, a.matrix(), b.matrix(), c.matrix_mut(), true, epilogue).unwrap() };
            c.data
        })
        .into();
    assert!(results[0] == results[1] && results[0] == results[2], "{m} {n} {k} {orders:?}");
}

#[test]
fn bit_equal_for_any_number_of_threads() {
    let (row, column) = (Order::Rows, Order::Columns);
    let threads = parallel::num_threads();
    everywhere(|| {
        for (m, n, k, batch) in [
            (300, 260, 520, 1),
            (130, 40, 784, 1),
            (130, 5, 784, 1),
            (3, 300, 5001, 1),
            (700, 30, 200, 1),
            (30, 700, 200, 1),
            (600, 600, 40, 1),
            (1500, 1, 900, 1),
            (1, 1500, 900, 1),
            (2, 1, 700_000, 1),
            (1500, 900, 1, 1),
            (40, 40, 40, 60),
            (700, 700, 700, 2),
        ] {
            for orders in [[row, row, row], [row, column, row], [column, row, row]] {
                bits::<f32>(m, n, k, orders, batch);
            }
        }
        bits::<f64>(300, 260, 520, [row, column, row], 1);
    });
    parallel::set_num_threads(threads);
}

#[test]
fn special_values_pass_through() {
    everywhere(|| {
        for n in [1, 3, 40] {
            let a = [f32::NAN, 1.0, f32::INFINITY, 0.0];
            let b = vec![0.0f32; 2 * n];
            let mut c = vec![1.0f32; 2 * n];
            let (am, bm) = (Matrix::new(a.as_ptr(), 2, 1), Matrix::new(b.as_ptr(), n as isize, 1));
            let cm = MatrixMut::new(c.as_mut_ptr(), n as isize, 1);
            let relu = Epilogue { bias: Bias::None, activation: Activation::Relu };
            // SAFETY: the slices hold their shapes.
            unsafe { gemm(2, n, 2, am, bm, cm, false, relu).unwrap() };
            assert!(c.iter().all(|x| x.is_nan()), "0 · NaN and 0 · ∞ are NaN");
        }
    });
}

#[test]
fn denormals_are_flushed() {
    if !denormals::CAN_FLUSH {
        return;
    }
    everywhere(|| {
        let (a, b, mut c) = ([f32::MIN_POSITIVE; 9], [0.125f32; 9], [1.0f32; 9]);
        let (am, bm) = (Matrix::new(a.as_ptr(), 3, 1), Matrix::new(b.as_ptr(), 3, 1));
        // SAFETY: the arrays hold their shapes.
        unsafe { gemm(3, 3, 3, am, bm, MatrixMut::new(c.as_mut_ptr(), 3, 1), false, Epilogue::NONE).unwrap() };
        assert_eq!(c, [0.0; 9]);
    });
}
