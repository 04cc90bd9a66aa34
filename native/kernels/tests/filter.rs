//! The filter without Python: widths, structure of the automaton, streams, saved arrays, and that the ways to read a
//! text agree. Its meaning is tested from Python, against the pure twin and an oracle.

use std::collections::HashMap;
use std::sync::Arc;

use xiaoer_kernels::automaton::{Automaton, ROOT};
use xiaoer_kernels::builder::{Builder, Built, Origin, key};
use xiaoer_kernels::filter::{Filter, Options, Skip};
use xiaoer_kernels::fold::Fold;
use xiaoer_kernels::saved::Reader;
use xiaoer_kernels::scan::Found;
use xiaoer_kernels::stream::{MaskStream, Output};

fn options() -> Options {
    let fold = Fold::from_bits(3).expect("case and width");
    Options { fold, skip: Some(Skip { gap: 3, total: 8 }), repeats: false, whole_words: true }
}

fn code_points(text: &str) -> Vec<u32> {
    text.chars().map(u32::from).collect()
}

fn built<T: AsRef<[u32]>>(options: Options, words: &[T], allowed: &[T]) -> Built {
    let mut builder = Builder::new(options);
    let words = words.iter().zip(0..).map(|(word, number)| (word, Origin::Word(number)));
    let allowed = allowed.iter().zip(0..).map(|(text, number)| (text, Origin::Allowed(number)));
    for (text, origin) in words.chain(allowed) {
        builder.push(text.as_ref().iter().copied(), origin).expect("a valid word");
    }
    builder.build()
}

fn filter(words: &[&str], allowed: &[&str]) -> Filter {
    let read = |texts: &[&str]| texts.iter().map(|text| code_points(text)).collect::<Vec<_>>();
    built(options(), &read(words), &read(allowed)).filter
}

fn spans(filter: &Filter, text: &str) -> Vec<(usize, usize)> {
    filter.find(&code_points(text)).iter().map(|found| (found.start, found.end)).collect()
}

/// Numbers that look random: the same ones for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (self.0 >> 33) as usize % end
    }

    /// One letter to `longest`.
    fn text(&mut self, letters: &[u32], longest: usize) -> Vec<u32> {
        (0..=self.below(longest)).map(|_| letters[self.below(letters.len())]).collect()
    }
}

/// The text with the hits of `find` masked.
fn masked(filter: &Filter, text: &[u32]) -> Vec<u32> {
    let mut masked = text.to_vec();
    for found in filter.find(text) {
        masked[found.start..found.end].fill(0x2A);
    }
    masked
}

/// The same by a stream, which never looks for starts but reads every character.
fn scanned(filter: &Filter, text: &[u32]) -> Vec<u32> {
    let mut stream = MaskStream::new(code_points("*"));
    let mut given = match stream.feed(filter, text) {
        Output::Unchanged(end) => text[..end].to_vec(),
        Output::Changed(output) => output,
    };
    given.extend(stream.flush(filter));
    given
}

/// Demands that walks from likely starts find what a scan of everything finds, and every method the same.
fn check_ways_agree(filter: &Filter, text: &[u32]) {
    let found = filter.find(text);
    assert_eq!(masked(filter, text), scanned(filter, text), "{text:x?}");
    assert_eq!(filter.contains(text), !found.is_empty(), "{text:x?}");
    let all = filter.find_overlapping(text);
    assert!(found.iter().all(|hit| all.contains(hit)), "{text:x?}");
    assert!(all.is_sorted_by_key(|hit| (hit.start, hit.end)), "{text:x?}");
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
    let filter = built(options(), &[vec![0xD800, 0x10_FFFF]], &[]).filter;
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
fn of_words_that_fold_alike_the_last_counts_and_before_a_variant() {
    let mut builder = Builder::new(options());
    for (text, origin) in [
        ("ok", Origin::Word(0)),
        ("OK", Origin::Word(1)),
        ("加微信", Origin::Word(2)),
        // Spellings of others: one that is a word itself, one that is none.
        ("ok", Origin::Variant(2)),
        ("jiaweixin", Origin::Variant(2)),
        ("no", Origin::Word(3)),
        ("no", Origin::Allowed(0)),
    ] {
        builder.push(text.chars().map(u32::from), origin).expect("a valid word");
    }
    let Built { filter, words, allowed } = builder.build();
    assert_eq!((words.as_slice(), allowed.as_slice()), (&[3, 1, 2][..], &[0][..]));
    let owners = |text: &str| {
        let found = filter.find(&code_points(text));
        found.iter().map(|hit| words[filter.owner(hit.pattern) as usize]).collect::<Vec<_>>()
    };
    assert_eq!(owners("ok, jiaweixin, no"), [1, 2]);
}

#[test]
fn the_automaton_falls_back_to_the_longest_suffix() {
    // Classes: h 1, e 2, r 3, s 4, i 5. Patterns: he, hers, his, is.
    let patterns: [(&[u32], u32); 4] = [(&[1, 2], 0), (&[1, 2, 3, 4], 1), (&[1, 5, 4], 2), (&[5, 4], 3)];
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

#[test]
fn no_start_is_passed_over() {
    // Digits, letters of both kinds, noise of all kinds, what folds to them and to several, beyond the 16 bits too.
    let letters = code_points("abA1壹é加微ßﬁfis\u{20000}\u{d7ff}");
    let noise = code_points(" .-\u{200b}\u{301}");
    let mut numbers = Numbers(1);
    let mut hits = 0;
    for _ in 0..1_000 {
        let options = Options {
            fold: Fold::from_bits([0, 3, 255][numbers.below(3)]).expect("all bits are known"),
            skip: [None, Some(Skip { gap: 1, total: 2 }), options().skip][numbers.below(3)],
            repeats: false,
            whole_words: numbers.below(2) == 0,
        };
        // Few at a time, so that they meet.
        let few: Vec<u32> = (0..4).map(|_| letters[numbers.below(letters.len())]).collect();
        let all = [&few[..], &few, &[noise[numbers.below(noise.len())]]].concat();
        // A combining mark alone would be an empty word.
        let mut some = |most| {
            (0..numbers.below(most))
                .map(|_| [numbers.text(&few, 1), numbers.text(&all, 3)].concat())
                .collect::<Vec<_>>()
        };
        let filter = built(options, &some(8), &some(3)).filter;
        for _ in 0..4 {
            let text = numbers.text(&all, 60);
            check_ways_agree(&filter, &text);
            hits += filter.find(&text).len();
        }
    }
    assert!(hits > 4_000, "{hits} hits prove little");
}

#[test]
fn a_text_of_beginnings_is_read_in_another_way_and_to_the_same_end() {
    let word = |length: usize, last: &str| format!("{}{last}", "a".repeat(length));
    let words = [word(300, "b"), word(40, "加"), word(3, "c"), "加微".into(), "b".into()];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    for allowed in [&[][..], &["abc", "aaaab"]] {
        let filter = filter(&words, allowed);
        let endings = ["", "b", "aaab", "aaac", "a a a c", "加微", " b b b", "ab加 微aaac加微"];
        for text in endings.map(|ending| word(2_000, ending)) {
            check_ways_agree(&filter, &code_points(&text));
            check_ways_agree(&filter, &code_points(&text.repeat(3)));
        }
    }
    // Every place starts many hits here, which `find_overlapping` must give all.
    let nested: Vec<String> = (1..=60).map(|length| "微".repeat(length)).collect();
    let nested: Vec<&str> = nested.iter().map(String::as_str).collect();
    let found = filter(&nested, &[]).find_overlapping(&code_points(&"微".repeat(500)));
    assert_eq!(found.len(), (1..=60).map(|length| 501 - length).sum::<usize>());
}

/// The arrays of a filter, each at a place that any of its elements may be at.
fn aligned(filter: &Filter) -> Arc<HashMap<String, Vec<u64>>> {
    let sections = filter.sections().expect("without repeats all parts can be saved");
    let padded = |bytes: &[u8]| {
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(word)
        });
        // The length first, for the last word may be padding in part.
        [bytes.len() as u64].into_iter().chain(words).collect()
    };
    Arc::new(sections.into_iter().map(|(name, bytes)| (name, padded(bytes))).collect())
}

fn read(options: Options, words: usize, saved: &Arc<HashMap<String, Vec<u64>>>) -> Result<Filter, String> {
    let find = |name: &str| {
        let array = saved.get(name)?;
        // SAFETY: any bytes of integers are bytes.
        let (_, bytes, _) = unsafe { array[1..].align_to::<u8>() };
        Some(&bytes[..array[0] as usize])
    };
    // SAFETY: the arrays lie in the map that the Arc keeps alive, and nothing changes it.
    let reader = unsafe { Reader::new(&find, Arc::clone(saved) as _) };
    Filter::from_sections(options, words, &reader).map_err(|damaged| damaged.to_string())
}

#[test]
fn saved_arrays_are_the_filter() {
    let words = ["加微信", "c++", "a1", "ok", "strasse", "海"];
    let options = Options { fold: Fold::ALL, ..options() };
    let points = |texts: &[&str]| texts.iter().map(|text| code_points(text)).collect::<Vec<_>>();
    let filter = built(options, &points(&words), &points(&["上海"])).filter;
    let saved = aligned(&filter);
    let again = read(options, words.len(), &saved).expect("what was saved");
    let text = code_points("上海海 加 微信 C++ ａ壹 O K Stra\u{df}e \u{20000}");
    let found: Vec<Found> = filter.find(&text);
    assert_eq!(found.len(), 6);
    assert_eq!(again.find(&text), found);
    assert_eq!(again.find_overlapping(&text), filter.find_overlapping(&text));
    check_ways_agree(&again, &text);
    let owners = |filter: &Filter| found.iter().map(|hit| filter.owner(hit.pattern)).collect::<Vec<_>>();
    assert_eq!(owners(&again), owners(&filter));
}

#[test]
fn arrays_that_do_not_fit_together_are_refused() {
    let filter = filter(&["加微信", "c++"], &["ok"]);
    let saved = aligned(&filter);
    assert!(read(options(), 2, &saved).is_ok());
    assert_eq!(read(options(), 1, &saved).expect_err("an owner too many"), "its owners cannot be right");
    for name in saved.keys() {
        let mut shorter = HashMap::clone(&saved);
        let array = shorter.get_mut(name).expect("its own key");
        if array[0] > 0 {
            array[0] -= 1;
            assert!(read(options(), 2, &Arc::new(shorter)).is_err(), "{name} may be shorter");
        }
    }
}

#[test]
fn what_runs_are_is_not_saved() {
    let repeats = Options { repeats: true, ..options() };
    assert!(built(repeats, &[code_points("加微信")], &[]).filter.sections().is_none());
}
