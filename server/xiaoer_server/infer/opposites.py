"""Words that turn a question round. A network this small overlooks some of them, so they have the last word."""

from __future__ import annotations

import re

_OPPOSITES = (
    ("转入 转进 存进 存入 充进", "转出 取出 提出来 提现"),
    ("打开 开启 开通 启用 激活", "关闭 关掉 关了 停用 注销 停掉"),
    ("提额 提高 调高 增加 升高 变大 调大 提升", "降额 降低 调低 减少 变小 调小 下调"),
    ("买家 顾客", "卖家 商家 店家"),
    ("男生 男孩 男人 男的 男朋友", "女生 女孩 女人 女的 女朋友"),
    ("上传", "下载"),
    ("买入", "卖出"),
    ("收款", "付款"),
    ("发红包", "收红包 领红包"),
    ("加好友", "删好友 删除好友"),
    ("安装", "卸载"),
    ("最高 最多 最大", "最低 最少 最小"),
    ("上班 开门", "下班 关门"),
    ("今天", "明天 昨天 后天"),
    ("明天", "昨天 后天"),
    ("上个月 上月", "下个月 下月 这个月 本月"),
    ("今年", "去年 明年"),
    ("turn on|enable|activate|switch on", "turn off|disable|deactivate|switch off"),
    ("increase|raise|higher", "decrease|reduce|lower"),
    ("buyer", "seller"),
    ("deposit|into", "withdraw|out of"),
    ("today", "tomorrow|yesterday"),
    ("block", "unblock"),
    ("maximum|highest", "minimum|lowest"),
)


def _either(words: str) -> re.Pattern[str]:
    if words.isascii():
        return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    return re.compile(words.replace(" ", "|"))


_SIDES = tuple((_either(one), _either(other)) for one, other in _OPPOSITES)


def opposite(first: str, second: str) -> bool:
    """Does one question have only the one word of a pair of opposites and the other only the other word?"""
    for one, other in _SIDES:
        sides = [(bool(one.search(text)), bool(other.search(text))) for text in (first, second)]
        if sides in ([(True, False), (False, True)], [(False, True), (True, False)]):
            return True
    return False
