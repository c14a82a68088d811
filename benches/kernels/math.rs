//! Elements a second of each elementary function of f32, in cache, on every instruction set of the machine.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ferrograd_cpu::isa::{self, Isa};
use ferrograd_cpu::simd::math::Elementary;
use ferrograd_cpu::simd::{Kernel, Simd, vectorize};

const N: usize = 4096;

macro_rules! functions {
    ($($name:ident),*) => {
        $(
            #[allow(non_camel_case_types)]
            struct $name<'a>(&'a [f32], &'a mut [f32]);

            impl Kernel<f32> for $name<'_> {
                type Output = ();
                #[inline(always)]
                fn run<S: Simd<f32>>(self, s: S) {
                    for (x, y) in self.0.chunks_exact(S::LANES).zip(self.1.chunks_exact_mut(S::LANES)) {
                        // SAFETY: both chunks have LANES elements.
                        unsafe { s.store(y.as_mut_ptr(), <f32 as Elementary>::$name(s, s.load(x.as_ptr()))) };
                    }
                }
            }
        )*

        fn bench(criterion: &mut Criterion) {
            // Positive, so that log has an argument too; no function's cost depends on its argument.
            let x: Vec<f32> = (0..N).map(|i| i as f32 * (8.0 / N as f32) + 1e-3).collect();
            let mut y = vec![0.0; N];
            for isa in Isa::available() {
                isa::set(isa);
                let mut group = criterion.benchmark_group(isa.name());
                group.throughput(Throughput::Elements(N as u64));
                $(
                    group.bench_function(stringify!($name), |b| {
                        b.iter(|| {
                            vectorize($name(black_box(&x), &mut y));
                            black_box(&mut y);
                        })
                    });
                )*
                group.finish();
            }
        }
    };
}

functions!(exp, expm1, log, log1p, tanh, sigmoid, erf);

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(std::time::Duration::from_millis(300)).measurement_time(std::time::Duration::from_secs(1));
    targets = bench
}
criterion_main!(benches);
