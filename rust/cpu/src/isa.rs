//! The instruction set in force: the best that the machine has, or the one that `FERROGRAD_ISA` names.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that kernels are compiled for, from the least to the most capable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Isa {
    Scalar = 1,
    #[cfg(target_arch = "x86_64")]
    Avx2 = 2,
    #[cfg(target_arch = "x86_64")]
    Avx512 = 3,
}

impl Isa {
    pub const fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
        }
    }

    fn supported(self) -> bool {
        match self {
            Isa::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
                    && is_x86_feature_detected!("lzcnt")
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                Isa::Avx2.supported()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
        }
    }

    /// What this machine can run, from the least to the most capable.
    pub fn available() -> Vec<Isa> {
        #[cfg(target_arch = "x86_64")]
        let all = [Isa::Scalar, Isa::Avx2, Isa::Avx512];
        #[cfg(not(target_arch = "x86_64"))]
        let all = [Isa::Scalar];
        all.into_iter().filter(|isa| isa.supported()).collect()
    }

    /// The instruction set of this name, or why it cannot be used.
    pub fn named(name: &str) -> Result<Isa, String> {
        let available = Isa::available();
        available.iter().copied().find(|isa| isa.name() == name).ok_or_else(|| {
            let names: Vec<_> = available.iter().map(|isa| isa.name()).collect();
            format!("FERROGRAD_ISA: expected one of {} on this machine, got '{name}'", names.join(", "))
        })
    }

    const fn from_code(code: u8) -> Option<Isa> {
        match code {
            1 => Some(Isa::Scalar),
            #[cfg(target_arch = "x86_64")]
            2 => Some(Isa::Avx2),
            #[cfg(target_arch = "x86_64")]
            3 => Some(Isa::Avx512),
            _ => None,
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

static CURRENT: AtomicU8 = AtomicU8::new(0);

/// The instruction set in force.
#[inline]
pub fn current() -> Isa {
    match Isa::from_code(CURRENT.load(Ordering::Relaxed)) {
        Some(isa) => isa,
        None => detect(),
    }
}

#[cold]
fn detect() -> Isa {
    let isa = init().unwrap_or_else(|why| panic!("{why}"));
    CURRENT.store(isa as u8, Ordering::Relaxed);
    isa
}

/// Reads `FERROGRAD_ISA` and the machine. Called when the library is loaded, so that a wrong value is an error then.
pub fn init() -> Result<Isa, String> {
    let isa = match std::env::var("FERROGRAD_ISA") {
        Ok(name) if !name.is_empty() => Isa::named(&name)?,
        _ => *Isa::available().last().expect("the scalar path is always there"),
    };
    CURRENT.store(isa as u8, Ordering::Relaxed);
    Ok(isa)
}

/// Switches the instruction set of the whole process, for tests. The machine must have it.
pub fn set(isa: Isa) {
    assert!(isa.supported(), "this machine has no {isa}");
    CURRENT.store(isa as u8, Ordering::Relaxed);
}

/// Runs `f` under an instruction set. For tests; one such call at a time in a process.
#[cfg(feature = "testing")]
pub(crate) fn with<R>(isa: Isa, f: impl FnOnce() -> R) -> R {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let before = current();
    set(isa);
    let result = f();
    set(before);
    result
}
