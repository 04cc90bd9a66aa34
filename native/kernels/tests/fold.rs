//! The foldings, as the engine asks for them.

use std::collections::BTreeSet;

use xiaoer_kernels::fold::{Fold, kind};

fn folded(fold: Fold, c: u32) -> Vec<u32> {
    fold.expand(c).unwrap_or_else(|| vec![fold.apply(c)])
}

/// Each folding alone, each pair of them, all but one, all and none.
fn some() -> impl Iterator<Item = Fold> {
    let pairs = (0..64).map(|pair| 1u8 << (pair / 8) | 1 << (pair % 8));
    let most = (0..8).map(|bit| !(1u8 << bit));
    pairs.chain(most).chain([0, 255]).map(|bits| Fold::from_bits(bits).expect("all bits are known"))
}

#[test]
fn sources_are_all_that_change_and_come_once() {
    for fold in some() {
        let changing: Vec<u32> = (0..0x11_0000).filter(|&c| folded(fold, c) != [c]).collect();
        let mut sources: Vec<u32> = fold.sources().collect();
        sources.sort_unstable();
        assert_eq!(sources, changing, "{fold:?}");
    }
}

#[test]
fn folding_twice_changes_nothing() {
    for fold in some() {
        for c in fold.sources() {
            let once = folded(fold, c);
            assert!((1..=8).contains(&once.len()), "{c:#X}");
            assert_eq!(once[0], fold.apply(c), "{c:#X}");
            assert_eq!(fold.expand(c).is_some(), once.len() > 1, "{c:#X}");
            let twice: Vec<u32> = once.iter().flat_map(|&part| folded(fold, part)).collect();
            assert_eq!(once, twice, "{fold:?} {c:#X}");
        }
    }
}

#[test]
fn dropped_marks_are_invisible_and_stay_themselves() {
    let dropped: BTreeSet<u32> = Fold::ALL.dropped().collect();
    assert!(dropped.contains(&0x0301) && dropped.contains(&0x20E3) && !dropped.contains(&0x034F));
    for c in 0..0x11_0000 {
        assert_eq!(Fold::ALL.drops(c), dropped.contains(&c), "{c:#X}");
    }
    for c in dropped {
        assert_eq!(Fold::ALL.kinds(c), kind::INVISIBLE, "{c:#X}");
        assert_eq!(Fold::NONE.kinds(c) & kind::NOISE, 0, "{c:#X}");
    }
}
