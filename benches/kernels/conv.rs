//! Convolutions of known networks: forward and both gradients, inputs as a chain of layers has them (channels-last) and
//! as they come from NumPy (row-major). Throughput is in products (an element a multiply-add); the machine's own peak
//! is printed first, halve its FLOP/s to compare.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ferrograd_array::{Array, Layout};
use ferrograd_cpu::activation::Activation;
use ferrograd_cpu::conv::{Window, conv, conv_input_grad, conv_weight_grad};
use ferrograd_cpu::{parallel, peak};

struct Layer {
    name: &'static str,
    x: &'static [usize],
    w: &'static [usize],
    padding: i64,
    stride: i64,
    groups: i64,
}

const fn layer(name: &'static str, x: &'static [usize], w: &'static [usize], padding: i64) -> Layer {
    Layer { name, x, w, padding, stride: 1, groups: 1 }
}

const LAYERS: [Layer; 11] = [
    layer("lenet 1", &[64, 1, 28, 28], &[6, 1, 5, 5], 2),
    layer("lenet 2", &[64, 6, 14, 14], &[16, 6, 5, 5], 0),
    layer("vgg first", &[32, 3, 32, 32], &[64, 3, 3, 3], 1),
    layer("vgg 64", &[32, 64, 32, 32], &[64, 64, 3, 3], 1),
    layer("vgg 128", &[32, 128, 16, 16], &[128, 128, 3, 3], 1),
    layer("vgg 256", &[32, 256, 16, 16], &[256, 256, 3, 3], 1),
    Layer { name: "resnet stem", x: &[8, 3, 112, 112], w: &[64, 3, 7, 7], padding: 3, stride: 2, groups: 1 },
    layer("resnet 1x1", &[8, 256, 56, 56], &[64, 256, 1, 1], 0),
    Layer { name: "depthwise", x: &[8, 96, 56, 56], w: &[96, 1, 3, 3], padding: 1, stride: 1, groups: 96 },
    layer("tdnn", &[32, 256, 200], &[256, 256, 5], 2),
    layer("conv3d", &[4, 16, 16, 32, 32], &[32, 16, 3, 3, 3], 1),
];

fn noise(shape: &[usize], channels_last: bool) -> Array {
    let values: Vec<f32> = (0..shape.iter().product()).map(|i| (i as f32 * 0.618_034).fract() - 0.5).collect();
    if !channels_last {
        return Array::from_slice(&values, shape).expect("room for a bench");
    }
    let mut moved = shape.to_vec();
    let channels = moved.remove(1);
    moved.push(channels);
    let mut order: Vec<usize> = (0..shape.len() - 1).collect();
    order.insert(1, shape.len() - 1);
    let base = Array::from_slice(&values, &moved).expect("room for a bench");
    base.view(Layout::contiguous(&moved).permuted(&order))
}

fn layers(criterion: &mut Criterion) {
    let threads = parallel::num_threads();
    println!("{threads} threads: {:.1} GFLOP/s", peak::fma_peak(threads) / 1e9);
    for layer in LAYERS {
        let d = layer.x.len() - 2;
        let (stride, padding, dilation) = (vec![layer.stride; d], vec![(layer.padding, layer.padding); d], vec![1; d]);
        let window = Window { stride: &stride, padding: &padding, dilation: &dilation, groups: layer.groups };
        let w = noise(layer.w, false);
        let mut group = criterion.benchmark_group(format!("conv {}", layer.name));
        for (order, last) in [("last", true), ("first", false)] {
            let x = noise(layer.x, last);
            let y = conv(&x, &w, None, &window, Activation::None).expect("a layer");
            let g = noise(y.shape(), last);
            let points: usize = y.shape()[2..].iter().product();
            group.throughput(Throughput::Elements((y.shape()[0] * points * w.numel()) as u64));
            group.bench_function(BenchmarkId::new("forward", order), |bencher| {
                bencher.iter(|| conv(&x, &w, None, &window, Activation::None));
            });
            group.bench_function(BenchmarkId::new("input_grad", order), |bencher| {
                bencher.iter(|| conv_input_grad(&g, &w, layer.x, &window));
            });
            group.bench_function(BenchmarkId::new("weight_grad", order), |bencher| {
                bencher.iter(|| conv_weight_grad(&g, &x, layer.w, &window));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, layers);
criterion_main!(benches);
