//! Numbers below the normal range: GEMM, convolution, recurrent, attention and optimizer kernels flush them to zero,
//! because arithmetic on them is up to a hundred times slower; all other kernels keep them.

use std::sync::atomic::{AtomicBool, Ordering};

static FLUSH: AtomicBool = AtomicBool::new(true);

/// Whether this target lets us flush.
pub const CAN_FLUSH: bool = cfg!(target_arch = "x86_64");

pub fn set_flush(on: bool) {
    FLUSH.store(on, Ordering::Relaxed);
}

pub fn flush() -> bool {
    FLUSH.load(Ordering::Relaxed)
}

/// The control bits of this thread's floating-point unit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mode(u32);

#[cfg(target_arch = "x86_64")]
impl Mode {
    /// Flush results to zero and read denormal operands as zero.
    const FLUSHING: u32 = 1 << 15 | 1 << 6;

    #[inline]
    pub fn current() -> Self {
        let mut mxcsr = 0u32;
        // SAFETY: stores four bytes into a local.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut mxcsr, options(nostack, preserves_flags)) };
        Mode(mxcsr & !0x3f)
    }

    #[inline]
    pub fn apply(self) {
        // SAFETY: the value came from `current`, with at most the two flush bits added; no exception is unmasked.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &self.0, options(nostack, preserves_flags)) };
    }

    fn flushing(self) -> Self {
        Mode(self.0 | Self::FLUSHING)
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Mode {
    pub fn current() -> Self {
        Mode(0)
    }

    pub fn apply(self) {}

    fn flushing(self) -> Self {
        self
    }
}

/// Runs a kernel with denormals flushed (unless [`set_flush`] turned that off) and restores the mode, also after a
/// panic. Blocks of [`crate::parallel::run`] inherit it.
pub fn flushed<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(Mode);
    impl Drop for Restore {
        fn drop(&mut self) {
            self.0.apply();
        }
    }
    if !flush() {
        return f();
    }
    let before = Mode::current();
    before.flushing().apply();
    let _restore = Restore(before);
    f()
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    use super::*;

    #[test]
    fn the_mode_is_restored() {
        let before = Mode::current();
        let half = || std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5);
        assert!(half() > 0.0);
        assert_eq!(flushed(half) == 0.0, CAN_FLUSH);
        assert!(std::panic::catch_unwind(|| flushed(|| panic!("inside"))).is_err());
        assert!(half() > 0.0 && before == Mode::current());
    }
}
