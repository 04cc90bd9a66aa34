//! Which instructions may be used beyond those that every CPU of the architecture has.

use std::sync::atomic::{AtomicU8, Ordering};

const UNKNOWN: u8 = 0;
const PORTABLE: u8 = 1;
const BIT_INSTRUCTIONS: u8 = 2;

static FOUND: AtomicU8 = AtomicU8::new(UNKNOWN);

/// From now on only what every CPU of the architecture has.
pub fn use_portable() {
    FOUND.store(PORTABLE, Ordering::Relaxed);
}

/// Whether [`use_portable`] was called.
#[must_use]
pub fn is_portable() -> bool {
    FOUND.load(Ordering::Relaxed) == PORTABLE
}

/// Whether BMI1, BMI2 and AVX2 may be used.
#[inline]
#[must_use]
pub fn has_bit_instructions() -> bool {
    match FOUND.load(Ordering::Relaxed) {
        UNKNOWN => find(),
        found => found == BIT_INSTRUCTIONS,
    }
}

#[cold]
fn find() -> bool {
    #[cfg(target_arch = "x86_64")]
    let here = std::arch::is_x86_feature_detected!("bmi1")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    let here = false;
    if here {
        FOUND.store(BIT_INSTRUCTIONS, Ordering::Relaxed);
    }
    here
}
