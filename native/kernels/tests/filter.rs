//! The filter without Python: widths, structure of the automaton, streams. Its meaning is tested from Python, against
//! the pure twin and an oracle.

use xiaoer_kernels::automaton::{Automaton, ROOT};
use xiaoer_kernels::filter::{Filter, Options, Role, Skip, key};
use xiaoer_kernels::fold::Fold;
use xiaoer_kernels::stream::{MaskStream, Output};

fn options() -> Options {
    let fold = Fold::from_bits(3).expect("case and width");
    Options { fold, skip: Some(Skip { gap: 3, total: 8 }), whole_words: true }
}

fn code_points(text: &str) -> Vec<u32> {
    text.chars().map(u32::from).collect()
}

fn filter(words: &[&str], allowed: &[&str]) -> Filter {
    let keyed = |texts: &[&str], role| {
        texts
            .iter()
            .map(|text| (key(options().fold, text.chars().map(u32::from)).expect("a valid word"), role))
            .collect::<Vec<_>>()
    };
    let mut keys = [keyed(words, Role::Word), keyed(allowed, Role::Allowed)].concat();
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    Filter::build(options(), &keys)
}

fn spans(filter: &Filter, text: &str) -> Vec<(usize, usize)> {
    filter.find(&code_points(text)).iter().map(|found| (found.start, found.end)).collect()
}

#[test]
fn all_widths_read_alike() {
    let filter = filter(&["caf\u{e9}", "ok"], &[]);
    let narrow: Vec<u8> = vec![b'O', b'K', b' ', b'c', b'a', b'f', 0xE9];
    let middle: Vec<u16> = narrow.iter().map(|&c| u16::from(c)).collect();
    let wide: Vec<u32> = narrow.iter().map(|&c| u32::from(c)).collect();
    let expected = filter.find(&narrow);
    assert_eq!(expected.len(), 2);
    assert_eq!(filter.find(&middle), expected);
    assert_eq!(filter.find(&wide), expected);
}

#[test]
fn surrogates_and_the_last_code_point_are_characters() {
    let filter = Filter::build(options(), &[(vec![0xD800, 0x10_FFFF], Role::Word)]);
    assert!(filter.contains(&[0x61_u32, 0xD800, 0x10_FFFF]));
    assert!(!filter.contains(&[0xD801_u32, 0x10_FFFF]));
}

#[test]
fn the_longer_wins() {
    let filter = filter(&["海外", "加微信"], &["上海外贸"]);
    assert_eq!(spans(&filter, "上海外贸 海外"), [(5, 7)]);
    assert_eq!(spans(&filter, "加 微-信"), [(0, 5)]);
}

#[test]
fn keys_are_checked() {
    let fold = options().fold;
    assert_eq!(key(fold, [0xFF21].into_iter()).expect("a letter"), [0x61]);
    assert_eq!(key(fold, [].into_iter()).expect_err("empty").to_string(), "a word is empty");
    let long = key(fold, std::iter::repeat_n(0x61, 1001)).expect_err("too long");
    assert_eq!(long.to_string(), "a word has 1001 characters; 1000 are the most");
}

#[test]
fn the_automaton_falls_back_to_the_longest_suffix() {
    // Classes: h 1, e 2, r 3, s 4, i 5. Patterns: he, hers, his, is.
    let patterns = [(vec![1, 2], 0), (vec![1, 2, 3, 4], 1), (vec![1, 5, 4], 2), (vec![5, 4], 3)];
    let automaton = Automaton::build(&patterns, 5);
    let walk = |labels: &[u32]| labels.iter().fold(ROOT, |node, &label| automaton.step(node, label));
    let his = walk(&[1, 5, 4]);
    assert_eq!((automaton.depth(his), automaton.pattern(his)), (3, 2));
    let is = automaton.next_output(his);
    assert_eq!((automaton.depth(is), automaton.pattern(is), automaton.next_output(is)), (2, 3, ROOT));
    // "hers" can't grow, and of its suffixes none does either; "he" may become "hers".
    assert_eq!(automaton.live(walk(&[1, 2, 3, 4])), ROOT);
    assert_eq!(automaton.depth(automaton.live(walk(&[1, 2]))), 2);
    assert_eq!(walk(&[1, 2, 0]), ROOT);
}

#[test]
fn a_stream_holds_back_a_beginning_and_no_more() {
    let filter = filter(&["加微信"], &[]);
    let mut stream = MaskStream::new(code_points("*"));
    assert_eq!(stream.feed(&filter, &code_points("请加")), Output::Unchanged(1));
    assert_eq!(stream.feed(&filter, &code_points("微")), Output::Changed(Vec::new()));
    assert_eq!(stream.feed(&filter, &code_points("信吧")), Output::Changed(code_points("***吧")));
    assert!(stream.flush(&filter).is_empty());
}
