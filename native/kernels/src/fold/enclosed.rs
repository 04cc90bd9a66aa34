//! Letters and ideographs in circles, squares and brackets: Ⓐ ⒜ 🄐 🅐 🄰 🅰 are A, ㊙ is 秘, 🈚 is 無, ㋐ is ア.
//!
//! Not the regional indicators: 🇸🇧 is a flag, and noise as other emoji, not SB. Not © and ®, which are signs of
//! their own.
//!
//! Written by native/kernels/scripts/fold_tables.py.

#![allow(clippy::doc_markdown, clippy::unicode_not_nfc)]

use super::table::Run;

#[rustfmt::skip]
pub(super) const RUNS: &[Run] = &[
    (0x249C, 0x24B5, 1, 0x0061), (0x24B6, 0x24CF, 1, 0x0041), (0x24D0, 0x24E9, 1, 0x0061),
    (0x32E4, 0x32E9, 1, 0x30CA), (0x32EE, 0x32F2, 1, 0x30DE), (0x32F5, 0x32FA, 1, 0x30E8),
    (0x32FB, 0x32FE, 1, 0x30EF), (0x1F110, 0x1F129, 1, 0x0041), (0x1F130, 0x1F149, 1, 0x0041),
    (0x1F150, 0x1F169, 1, 0x0041), (0x1F170, 0x1F189, 1, 0x0041),
];

pub(super) const PAIRS: &str = "
㈎가 ㈏나 ㈐다 ㈑라 ㈒마 ㈓바 ㈔사 ㈕아 ㈖자 ㈗차 ㈘카 ㈙타 ㈚파 ㈛하 ㈜주 ㈠一 ㈡二 ㈢三 ㈣四 ㈤五
㈥六 ㈦七 ㈧八 ㈨九 ㈩十 ㈪月 ㈫火 ㈬水 ㈭木 ㈮金 ㈯土 ㈰日 ㈱株 ㈲有 ㈳社 ㈴名 ㈵特 ㈶財 ㈷祝 ㈸労
㈹代 ㈺呼 ㈻学 ㈼監 ㈽企 ㈾資 ㈿協 ㉀祭 ㉁休 ㉂自 ㉃至 ㉄問 ㉅幼 ㉆文 ㉇箏 ㉮가 ㉯나 ㉰다 ㉱라 ㉲마
㉳바 ㉴사 ㉵아 ㉶자 ㉷차 ㉸카 ㉹타 ㉺파 ㉻하 ㉾우 ㊀一 ㊁二 ㊂三 ㊃四 ㊄五 ㊅六 ㊆七 ㊇八 ㊈九 ㊉十
㊊月 ㊋火 ㊌水 ㊍木 ㊎金 ㊏土 ㊐日 ㊑株 ㊒有 ㊓社 ㊔名 ㊕特 ㊖財 ㊗祝 ㊘労 ㊙秘 ㊚男 ㊛女 ㊜適 ㊝優
㊞印 ㊟注 ㊠項 ㊡休 ㊢写 ㊣正 ㊤上 ㊥中 ㊦下 ㊧左 ㊨右 ㊩医 ㊪宗 ㊫学 ㊬監 ㊭企 ㊮資 ㊯協 ㊰夜 ㋐ア
㋑イ ㋒ウ ㋓エ ㋔オ ㋕カ ㋖キ ㋗ク ㋘ケ ㋙コ ㋚サ ㋛シ ㋜ス ㋝セ ㋞ソ ㋟タ ㋠チ ㋡ツ ㋢テ ㋣ト ㋪ヒ
㋫フ ㋬ヘ ㋭ホ ㋳ヤ ㋴ユ 🄪S 🄫C 🄬R 🈂サ 🈐手 🈑字 🈒双 🈓デ 🈔二 🈕多 🈖解 🈗天 🈘交 🈙映 🈚無
🈛料 🈜前 🈝後 🈞再 🈟新 🈠初 🈡終 🈢生 🈣販 🈤声 🈥吹 🈦演 🈧投 🈨捕 🈩一 🈪三 🈫遊 🈬左 🈭中 🈮右
🈯指 🈰走 🈱打 🈲禁 🈳空 🈴合 🈵満 🈶有 🈷月 🈸申 🈹割 🈺営 🈻配 🉀本 🉁三 🉂二 🉃安 🉄点 🉅打 🉆盗
🉇勝 🉈敗 🉐得 🉑可
";
