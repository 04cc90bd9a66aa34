//! Full-width Latin and half-width kana and Hangul: Unicode's decompositions tagged `<wide>` and `<narrow>`.
//!
//! Written by native/kernels/scripts/fold_tables.py.

#![allow(clippy::doc_markdown, clippy::unicode_not_nfc)]

use super::table::Run;

#[rustfmt::skip]
pub(super) const RUNS: &[Run] = &[
    (0x3000, 0x3000, 1, 0x0020), (0xFF01, 0xFF5E, 1, 0x0021), (0xFF85, 0xFF8A, 1, 0x30CA),
    (0xFF8F, 0xFF93, 1, 0x30DE), (0xFF96, 0xFF9B, 1, 0x30E8), (0xFFA1, 0xFFBE, 1, 0x3131),
    (0xFFC2, 0xFFC7, 1, 0x314F), (0xFFCA, 0xFFCF, 1, 0x3155), (0xFFD2, 0xFFD7, 1, 0x315B),
    (0xFFE9, 0xFFEC, 1, 0x2190),
];

pub(super) const PAIRS: &str = "
｟⦅ ｠⦆ ｡。 ｢「 ｣」 ､、 ･・ ｦヲ ｧァ ｨィ ｩゥ ｪェ ｫォ ｬャ ｭュ ｮョ ｯッ ｰー ｱア ｲイ ｳウ ｴエ ｵオ ｶカ ｷキ
ｸク ｹケ ｺコ ｻサ ｼシ ｽス ｾセ ｿソ ﾀタ ﾁチ ﾂツ ﾃテ ﾄト ﾋヒ ﾌフ ﾍヘ ﾎホ ﾔヤ ﾕユ ﾜワ ﾝン ﾞ゙ ﾟ゚ ﾠㅤ ￚㅡ
ￛㅢ ￜㅣ ￠¢ ￡£ ￢¬ ￣¯ ￤¦ ￥¥ ￦₩ ￨│ ￭■ ￮○
";
