//! Matrix products: squares in every order, and the shapes of a small network. Throughput is in products (an element
//! a multiply-add); the machine's own peak is printed first, halve its FLOP/s to compare.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ferrograd_array::Array;
use ferrograd_cpu::gemm::{Epilogue, Matrix, MatrixMut, gemm};
use ferrograd_cpu::{parallel, peak};

/// Which of the operands are given transposed.
const ORDERS: [(&str, bool, bool); 3] = [("nn", false, false), ("nt", false, true), ("tn", true, false)];

const SHAPES: [(usize, usize, usize); 11] = [
    (64, 64, 64),
    (256, 256, 256),
    (512, 512, 512),
    (1024, 1024, 1024),
    (128, 10, 784),
    (128, 784, 512),
    (128, 512, 784),
    (32, 512, 512),
    (1, 4096, 4096),
    (512, 512, 1),
    (2048, 48, 2048),
];

fn noise(rows: usize, columns: usize) -> Array {
    let values: Vec<f32> = (0..rows * columns).map(|i| (i as f32 * 0.618_034).fract() - 0.5).collect();
    Array::from_slice(&values, &[rows, columns]).expect("room for a bench")
}

fn products(criterion: &mut Criterion) {
    let threads = parallel::num_threads();
    let (fma, copy) = (peak::fma_peak(threads), peak::copy_bandwidth(threads));
    println!("{threads} threads: {:.1} GFLOP/s, {:.1} GB/s copied", fma / 1e9, copy / 1e9);
    for (m, n, k) in SHAPES {
        let mut group = criterion.benchmark_group(format!("gemm {m}x{n}x{k}"));
        group.throughput(Throughput::Elements((m * n * k) as u64));
        for (name, turn_a, turn_b) in ORDERS {
            let (a, b, c) = (noise(m, k), noise(k, n), noise(m, n));
            let (ap, bp, cp) = (a.ptr::<f32>(), b.ptr::<f32>(), c.ptr_mut::<f32>());
            let left = if turn_a { Matrix::new(ap, 1, m as isize) } else { Matrix::new(ap, k as isize, 1) };
            let right = if turn_b { Matrix::new(bp, 1, k as isize) } else { Matrix::new(bp, n as isize, 1) };
            let out = MatrixMut::new(cp, n as isize, 1);
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                // SAFETY: the arrays hold their shapes in either order.
                bencher.iter(|| unsafe { gemm(m, n, k, left, right, out, false, Epilogue::NONE) });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
