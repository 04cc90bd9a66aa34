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

/// Whether [`use_portable`] was called, or the CPU has nothing more.
#[must_use]
pub fn is_portable() -> bool {
    level() == PORTABLE
}

/// Whether BMI1, BMI2 and AVX2 may be used.
#[inline]
#[must_use]
pub fn has_bit_instructions() -> bool {
    level() >= BIT_INSTRUCTIONS
}

#[inline]
fn level() -> u8 {
    match FOUND.load(Ordering::Relaxed) {
        UNKNOWN => find(),
        found => found,
    }
}

#[cold]
fn find() -> u8 {
    #[cfg(target_arch = "x86_64")]
    let found = {
        use std::arch::is_x86_feature_detected as has;
        if has!("bmi1") && has!("bmi2") && has!("avx2") { BIT_INSTRUCTIONS } else { PORTABLE }
    };
    #[cfg(not(target_arch = "x86_64"))]
    let found = PORTABLE;
    FOUND.store(found, Ordering::Relaxed);
    found
}
