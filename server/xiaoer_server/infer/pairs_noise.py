"""How people really type: particles, courtesies, typing errors, words left out. None of it changes what is asked."""

from __future__ import annotations

import re
from random import Random

_ZH_BEFORE = (
    *("请问", "你好，", "你好", "您好，", "问一下", "我想问", "想问下", "请问一下", "麻烦问下", "亲，", "那个", "那"),
    *(
        "客服你好，",
        "在吗，",
        "咨询一下，",
        "想咨询一下",
        "我想知道",
        "帮我看下",
        "请教一下",
        "急，",
        "各位，",
        "谁知道",
    ),
    *("谁知道", "有谁知道", "我想问一下", "你好，请问", "有人知道", "请问大家", "有人吗，", "嗨，", "哈喽，", "哎，"),
)
_ZH_AFTER = (
    *("？", "?", "呢", "呢？", "啊", "啊？", "呀", "。", "，谢谢", "？谢谢", "，急", "！", "哦", "，麻烦了", "？？"),
    *("，在线等", "哈", "嘛", "，求解", "，谢了", "……", "~"),
)
_ZH_SWAPS = (
    *(("怎么", "如何"), ("怎么", "怎样"), ("如何", "怎么"), ("怎样", "怎么"), ("怎么", "咋"), ("怎么", "怎麽")),
    *(("什么", "啥"), ("为什么", "为啥"), ("为什么", "为何"), ("什么", "什麽"), ("哪里", "哪儿"), ("在哪里", "在哪")),
    *(("吗", "么"), ("吗", "嘛"), ("什么时候", "何时"), ("什么时候", "啥时候"), ("多久", "多长时间"), ("没有", "没")),
    *(("多少钱", "多少米"), ("可以", "能"), ("可不可以", "能不能"), ("需要", "要"), ("登录", "登陆"), ("账", "帐")),
    *(("的", ""), ("了", ""), ("我的", ""), ("我想", "想"), ("我要", "要"), ("我", ""), ("一下", "下"), ("，", "")),
    *(
        ("，", " "),
        ("多少", "几多"),
        ("会不会", "会不"),
        ("是不是", "是否"),
        ("手机号", "手机号码"),
        ("怎么办", "咋办"),
    ),
    *(
        ("怎么办", "咋办"),
        ("还没", "没"),
        ("这个", "这"),
        ("能不能", "能否"),
        ("是多少", "多少"),
        ("哪个", "那个"),
        ("现在", ""),
    ),
)
_ZH_TYPOS = (
    *(("在", "再"), ("的", "得"), ("么", "吗"), ("做", "作"), ("提现", "体现"), ("额度", "额渡"), ("还款", "还钱")),
    *(("信用", "信誉"), ("分期", "分其"), ("逾期", "预期"), ("退款", "退宽"), ("密码", "密马"), ("到账", "到帐")),
    *(("账单", "帐单"), ("支付", "只付"), ("物流", "物留"), ("快递", "快第"), ("身份证", "身份正"), ("他", "她")),
    *(("哪", "那"), ("已经", "以经"), ("怎么", "这么"), ("咨询", "资讯"), ("注册", "注策"), ("里", "理")),
)
_ZH_CONDITIONS = (
    *("学生", "没有身份证", "在国外", "换了手机号", "逾期后", "第二次", "周末", "节假日", "企业用户", "没带手机"),
    *("未成年人", "老年人", "外国人", "没有银行卡", "不登录", "没网的时候", "账号被封了", "新用户", "老客户", "孕妇"),
    *("冬天", "晚上", "在家里", "一个人", "小孩子", "没有发票", "过了七天", "拆封后", "用苹果手机", "在电脑上"),
    *("没有工作", "异地", "大额", "忘记密码后", "离职后", "注销后", "批量", "夏天", "免费", "快速", "两个人", "男生"),
    *("女生", "没实名", "到期之前", "到期之后", "当天", "第一次", "用港澳通行证", "在高铁上", "在学校", "半夜"),
)
_EN_BEFORE = (
    *(
        "hi, ",
        "hello, ",
        "hey ",
        "please, ",
        "excuse me, ",
        "quick question: ",
        "hi there, ",
        "sorry, ",
        "ok so ",
        "um ",
    ),
    *(
        "ok so ",
        "I want to know ",
        "can you tell me ",
        "good morning, ",
        "I was wondering, ",
        "help! ",
        "one question, ",
    ),
)
_EN_AFTER = (
    "?",
    "??",
    " please?",
    ", thanks",
    " please",
    ".",
    "",
    "!",
    " thx",
    " asap",
    ", thank you",
    "? thanks in advance",
)
_EN_SWAPS = (
    *(("I am", "I'm"), ("do not", "don't"), ("cannot", "can't"), ("can't", "cant"), ("how do I", "how can I")),
    *(("how can I", "how to"), ("how do I", "how to"), ("is not", "isn't"), ("please", "pls"), ("you", "u")),
    *(
        ("what is", "what's"),
        ("I have", "I've"),
        ("the ", ""),
        ("my ", "the "),
        ("it is", "it's"),
        ("want to", "wanna"),
    ),
    *(
        ("want to", "wanna"),
        ("want to", "would like to"),
        ("need to", "have to"),
        ("does not", "doesn't"),
        ("did not", "didn't"),
        ("a ", ""),
    ),
)
_EN_CONDITIONS = (
    *(
        "without an account",
        "as a student",
        "from abroad",
        "on weekends",
        "for a child",
        "as a business",
        "after it expired",
    ),
    *("without a receipt", "for a second time", "without a phone number", "on my iPad", "for two people", "at night"),
    *(
        "after 30 days",
        "for a friend",
        "without internet",
        "in winter",
        "during a holiday",
        "for free",
        "with a gift card",
    ),
)


def disturb(text: str, language: str, rng: Random) -> str:
    """`text` as somebody else might type it: one to three small changes that leave its meaning."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        text = _zh(text, rng) if language == "zh" else _en(text, rng)
    return text


def condition(text: str, language: str, rng: Random) -> str:
    """`text` asked for a special case only, which needs an answer of its own."""
    if language == "zh":
        return rng.choice(_ZH_CONDITIONS) + text
    return f"{text.rstrip('?.! ')} {rng.choice(_EN_CONDITIONS)}"


def _swap(text: str, table: tuple[tuple[str, str], ...], rng: Random) -> str:
    fitting = [(old, new) for old, new in table if old in text and len(text) > len(old) + 1]
    if not fitting:
        return text
    old, new = rng.choice(fitting)
    return text.replace(old, new, 1)


def _zh(text: str, rng: Random) -> str:
    draw = rng.random()
    if draw < 0.22:
        return text if text.startswith(_ZH_BEFORE) else rng.choice(_ZH_BEFORE) + text
    if draw < 0.5:
        return text if text[-1:] in "？?呢啊呀。！哈~…" else text + rng.choice(_ZH_AFTER)
    if draw < 0.86:
        return _swap(text, _ZH_SWAPS, rng)
    if draw < 0.92:
        return _swap(text, _ZH_TYPOS, rng)
    if draw < 0.96 and len(text) > 8:
        place = rng.randrange(1, len(text) - 1)
        return text[:place] + rng.choice((" ", "，", text[place], "的", "嗯")) + text[place:]
    return re.sub(r"[，。？！?!,~…]", "", text) or text


def _en(text: str, rng: Random) -> str:
    draw = rng.random()
    if draw < 0.2:
        return rng.choice(_EN_BEFORE) + text
    if draw < 0.45:
        return text.rstrip("?.! ") + rng.choice(_EN_AFTER)
    if draw < 0.75:
        return _swap(text, _EN_SWAPS, rng)
    if draw < 0.9 and len(text) > 8:
        place = rng.randrange(1, len(text) - 2)
        if text[place].isalpha() and text[place + 1].isalpha():
            cut = rng.random()
            if cut < 0.4:
                return text[:place] + text[place + 1 :]
            if cut < 0.8:
                return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
            return text[:place] + text[place] + text[place:]
        return text
    return text.lower()
