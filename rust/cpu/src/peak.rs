//! What this machine can do at most, so that benches can say how near to it a kernel comes.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::isa::{self, Isa};
use crate::parallel;
use crate::simd::{Float, Kernel, Simd};

const MEASURE: Duration = Duration::from_millis(50);
const REPEATS: usize = 5;

/// Fused multiply-adds on independent sums; enough of them to hide the latency, few enough to stay in registers.
struct Fma {
    rounds: usize,
}

impl Fma {
    const SUMS: usize = 10;
}

impl Kernel<f32> for Fma {
    /// Floating-point operations done, and a value that keeps them from being left out.
    type Output = (f64, f32);
    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> (f64, f32) {
        let (x, y) = (s.splat(black_box(0.999)), s.splat(black_box(0.001)));
        let mut sums = [s.splat(black_box(1.0)); Fma::SUMS];
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = s.fma(*sum, x, y);
            }
        }
        let total = sums.into_iter().fold(
            s.zero(),
            #[inline(always)]
            |a, b| s.add(a, b),
        );
        ((2 * Fma::SUMS * S::LANES * self.rounds) as f64, s.sum(total))
    }
}

/// Runs `work` on every thread at once for [`MEASURE`] and returns the sum of what it reports, by the second.
fn rate(threads: usize, work: impl Fn(usize) -> f64 + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    let one = |thread: usize| {
        barrier.wait();
        let (started, mut done) = (Instant::now(), 0.0);
        while started.elapsed() < MEASURE {
            done += work(thread);
        }
        done / started.elapsed().as_secs_f64()
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || one(thread))).collect();
        handles.into_iter().map(|handle| handle.join().expect("a measurement does not panic")).sum()
    })
}

/// The most single-precision multiply-adds that `threads` threads do, in FLOP/s (a multiply-add is two), with the
/// instruction set in force; for the scalar one, what the compiler makes of it. The best of several measurements.
pub fn fma_peak(threads: usize) -> f64 {
    let isa = isa::current();
    let rounds = if isa == Isa::Scalar { 2_000 } else { 20_000 };
    let work = |_| {
        // SAFETY: the instruction set in force is the machine's.
        let (flops, value) = unsafe { f32::enter(isa, Fma { rounds }) };
        black_box(value);
        flops
    };
    (0..REPEATS).map(|_| rate(threads, work)).fold(0.0, f64::max)
}

/// Integer additions that each of `threads` threads does in a second, six at a time from registers; None where this is not
/// written in the machine's language. A core whose other hardware thread is busy, in another virtual machine perhaps, gives a
/// thread about half of them, though all of its multiply-adds: loops of many instructions are slower then, for every library.
pub fn instruction_rate(threads: usize) -> Option<f64> {
    #[cfg(target_arch = "x86_64")]
    {
        const ROUNDS: usize = 10_000;
        let work = |_| {
            let mut n = [0u64; 6];
            for _ in 0..ROUNDS {
                let [a, b, c, d, e, f] = &mut n;
                // SAFETY: registers are added to.
                unsafe {
                    std::arch::asm!(
                        ".rept 8",
                        "add {0}, 1",
                        "add {1}, 1",
                        "add {2}, 1",
                        "add {3}, 1",
                        "add {4}, 1",
                        "add {5}, 1",
                        ".endr",
                        inout(reg) * a,
                        inout(reg) * b,
                        inout(reg) * c,
                        inout(reg) * d,
                        inout(reg) * e,
                        inout(reg) * f,
                        options(pure, nomem, nostack)
                    );
                }
            }
            black_box(n);
            (ROUNDS * 48) as f64
        };
        Some(rate(threads, work) / threads as f64)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = threads;
        None
    }
}

/// Bytes a second that `threads` threads copy between arrays larger than the caches, read and written bytes both
/// counted. The best of several measurements.
pub fn copy_bandwidth(threads: usize) -> f64 {
    const BYTES: usize = 64 << 20;
    let pairs: Vec<_> = (0..threads).map(|_| std::sync::Mutex::new((vec![1u8; BYTES], vec![0u8; BYTES]))).collect();
    let work = |thread: usize| {
        let mut pair = pairs[thread].lock().expect("one thread each");
        let (from, to) = &mut *pair;
        to.copy_from_slice(black_box(from));
        black_box(&to);
        2.0 * BYTES as f64
    };
    (0..REPEATS).map(|_| rate(threads, work)).fold(0.0, f64::max)
}

/// Seconds that an empty parallel region takes, one straight after the other, on the number of threads in force: the
/// median of many.
pub fn empty_region() -> f64 {
    const REGIONS: usize = 200;
    let threads = parallel::num_threads();
    let mut times: Vec<f64> = (0..101)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..REGIONS {
                parallel::run(threads, f64::INFINITY, |block| {
                    black_box(block);
                });
            }
            started.elapsed().as_secs_f64() / REGIONS as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;

    #[test]
    fn more_capable_instruction_sets_are_faster() {
        let peaks: Vec<f64> = Isa::available().into_iter().map(|isa| isa::with(isa, || fma_peak(1))).collect();
        assert!(peaks[0] > 1e8, "{peaks:?}");
        // The machine is shared and AVX-512 may be no faster than AVX2: only the step from scalar is sure.
        assert!(peaks.iter().skip(1).all(|&peak| peak > peaks[0]), "{peaks:?}");
        assert!(copy_bandwidth(1) > 1e8);
    }

    /// Were the additions left out, the rate would be beyond what any core does: eight a cycle at 6 GHz are 48 G a second.
    #[test]
    fn additions_are_counted_and_done() {
        let rate = instruction_rate(1);
        assert_eq!(rate.is_some(), cfg!(target_arch = "x86_64"));
        assert!(rate.is_none_or(|rate| (1e8..6e10).contains(&rate)), "{rate:?}");
    }
}
