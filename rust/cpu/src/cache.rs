//! What the caches are like.

use std::sync::LazyLock;

/// Bytes of a line.
pub(crate) const LINE: usize = 64;

/// Bytes of a core's second-level cache, and what is assumed where the machine does not say.
pub(crate) fn second_level() -> usize {
    static BYTES: LazyLock<usize> = LazyLock::new(|| told().filter(|&bytes| bytes > 0).unwrap_or(1 << 19));
    *BYTES
}

/// What the processor says: CPUID function 8000_0006h, kilobytes in bits 31–16 of ECX (AMD's Architecture Programmer's
/// Manual, volume 3, appendix E.4; Intel's Software Developer's Manual, volume 2, CPUID).
#[cfg(target_arch = "x86_64")]
fn told() -> Option<usize> {
    use std::arch::x86_64::__cpuid;
    let (list, function) = (0x8000_0000, 0x8000_0006);
    (__cpuid(list).eax >= function).then(|| (__cpuid(function).ecx >> 16) as usize * 1024)
}

#[cfg(not(target_arch = "x86_64"))]
fn told() -> Option<usize> {
    None
}

#[cfg(feature = "testing")]
mod tests {
    use ferrograd_unit::test;

    #[test]
    fn second_level_is_of_a_cache_s_size() {
        let bytes = super::second_level();
        assert!((1 << 17..=1 << 26).contains(&bytes), "{bytes} bytes");
    }
}
