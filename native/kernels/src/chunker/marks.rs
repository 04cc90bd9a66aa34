//! What single characters mean to the chunker. The same sets as in `xiaoer/pure/_marks.py`.

#![allow(long_running_const_eval, reason = "the table is made when this is compiled, in about a second")]

/// A blank inside a line; no-break spaces are none.
pub const BLANK: u16 = 1;
/// Ends a line.
pub const NEWLINE: u16 = 1 << 1;
/// Ends a sentence, whatever follows.
pub const STRONG_END: u16 = 1 << 2;
/// Ends a sentence before a blank or an ideograph.
pub const WEAK_END: u16 = 1 << 3;
/// Ends a clause, whatever follows.
pub const STRONG_PAUSE: u16 = 1 << 4;
/// Ends a clause before a blank or an ideograph.
pub const WEAK_PAUSE: u16 = 1 << 5;
/// An opening bracket or quote of Chinese and Japanese.
pub const OPENER: u16 = 1 << 6;
/// An opening bracket of ASCII.
pub const WESTERN_OPENER: u16 = 1 << 7;
/// A closing bracket or quote.
pub const CLOSER: u16 = 1 << 8;
/// An ideograph or kana.
pub const IDEOGRAPH: u16 = 1 << 9;
/// Clings to the character before it.
pub const CLINGING: u16 = 1 << 10;

/// Any mark that can end a sentence.
pub const END: u16 = STRONG_END | WEAK_END;
/// Any mark that can end a clause.
pub const PAUSE: u16 = STRONG_PAUSE | WEAK_PAUSE;

/// All that this code point is, as a set of the bits above. Surrogates are nothing.
#[inline]
pub fn marks(point: u32) -> u16 {
    match point {
        0..0x1_0000 => TABLE.pages[usize::from(TABLE.index[point as usize >> 8])][point as usize & 0xff],
        0x2_0000..0x4_0000 => IDEOGRAPH,
        _ => 0,
    }
}

/// The basic plane: 256 code points a page, equal pages once.
struct Table {
    index: [u8; 256],
    pages: [[u16; 256]; PAGES],
}

const PAGES: usize = 15;

static TABLE: Table = {
    let mut table = Table { index: [0; 256], pages: [[0; 256]; PAGES] };
    let mut used = 0;
    let mut high = 0;
    while high < 256 {
        let page = page(high);
        let mut same = 0;
        while same < used && !equal(&table.pages[same], &page) {
            same += 1;
        }
        if same == used {
            table.pages[used] = page;
            used += 1;
        }
        table.index[high as usize] = same as u8;
        high += 1;
    }
    assert!(used == PAGES, "PAGES is not what the table needs");
    table
};

const fn page(high: u32) -> [u16; 256] {
    let mut page = [0; 256];
    let mut low = 0;
    while low < 256 {
        if let Some(c) = char::from_u32(high << 8 | low) {
            page[low as usize] = find(c);
        }
        low += 1;
    }
    page
}

const fn equal(one: &[u16; 256], other: &[u16; 256]) -> bool {
    let mut at = 0;
    while at < 256 {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

const fn find(c: char) -> u16 {
    match c {
        '\t'
        | ' '
        | '\u{1680}'
        | '\u{2000}'..='\u{2006}'
        | '\u{2008}'..='\u{200b}'
        | '\u{205f}'
        | '\u{3000}' => BLANK,
        '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => NEWLINE,
        '。' | '！' | '？' | '；' | '｡' | '‼' | '⁇' | '⁈' | '⁉' | '।' | '॥' | '؟' | '۔' => {
            STRONG_END
        }
        '.' | '!' | '?' | ';' | '…' => WEAK_END,
        '，' | '、' | '：' | '､' | '﹐' | '﹑' | '﹕' | '—' | '―' => STRONG_PAUSE,
        ',' | ':' => WEAK_PAUSE,
        '（' | '〔' | '［' | '｛' | '〈' | '《' | '「' | '『' | '【' | '〖' | '“' | '‘' => {
            OPENER
        }
        '(' | '[' | '{' | '<' => WESTERN_OPENER,
        '）' | '〕' | '］' | '｝' | '〉' | '》' | '」' | '』' | '】' | '〗' | '”' | '’' | ')' | ']' | '}'
        | '>' | '"' | '\'' => CLOSER,
        '々'
        | '゠'
        | 'ー'
        | '゙'..='ゞ'
        | 'ヽ'
        | 'ヾ'
        | 'ｰ'
        | 'ﾞ'
        | 'ﾟ'
        | 'ぁ'
        | 'ぃ'
        | 'ぅ'
        | 'ぇ'
        | 'ぉ'
        | 'っ'
        | 'ゃ'
        | 'ゅ'
        | 'ょ'
        | 'ゎ'
        | 'ゕ'
        | 'ゖ'
        | 'ァ'
        | 'ィ'
        | 'ゥ'
        | 'ェ'
        | 'ォ'
        | 'ッ'
        | 'ャ'
        | 'ュ'
        | 'ョ'
        | 'ヮ'
        | 'ヵ'
        | 'ヶ' => CLINGING | IDEOGRAPH,
        '〻' | '%' | '％' | '℃' | '°' | '‰' => CLINGING,
        '\u{2e80}'..='\u{2fdf}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{3105}'..='\u{312f}'
        | '\u{31a0}'..='\u{31bf}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9f}' => IDEOGRAPH,
        _ => 0,
    }
}

/// A lower-case letter of the Latin-1, Greek or Cyrillic alphabet.
pub fn is_lowercase(point: u32) -> bool {
    matches!(point, 0x61..=0x7a | 0xdf..=0xf6 | 0xf8..=0xff | 0x3b1..=0x3c9 | 0x430..=0x45f)
}
