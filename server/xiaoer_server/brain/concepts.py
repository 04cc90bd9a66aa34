"""What customers call the same thing: the words of buying and selling online, in Chinese and English.

A line of the table is one concept, an indented line continues it: its name, the Chinese phrases, the English ones.
Visitors rarely use the words of the article ("is the money back yet", 钱退了没); a concept is found by any of its
phrases in either language, which also carries questions that mix both. A phrase may stand in several lines. Only
the trade's general vocabulary belongs here; what is special to a shop is said by the `asks` of its articles.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from .language import is_cjk, stem

TABLE = """
order: 订单 单子 那单 这单 下单 拍下 | order; orders
buy: 购买 买 选购 | buy; bought; buying; purchase; shopping
cart: 购物车 结算 结账 | cart; basket; check out; checkout
guest: 访客 游客 不注册 不想注册 没有账号 没账号 | guest; without an account; need an account; sign up to buy
cancel: 取消 撤销 撤单 撤了 不想要 不要了 不想买 退订 | cancel; cancellation; call off; do not want it;
    dont want it
closed: 自动取消 自动关闭 关闭 关掉 | closes; closed automatically; cancelled automatically
change: 修改 更改 改成 改一下 改 变更 更新 | change; edit; modify; update; amend
address: 地址 收货信息 住址 收件人 收货人 | address; street; recipient
phone: 手机号 手机 电话 号码 | phone; mobile; phone number; mobile number; telephone
newnumber: 换手机号 换号码 换号 换了手机 旧号码 改绑 号码不用 | new number; old number; changed my phone;
    new phone; new mobile
status: 状态 进度 到哪一步 什么情况 | status; progress; stage
packing: 打包 装箱 待发货 | packing; packed
wrongitem: 发错 错发 寄错 送错 不对 不是我要的 不是我买的 搞错 | wrong product; wrong item; wrong thing;
    instead of; different tea; different item; not what
missing: 少发 漏发 少了 少一 缺少 漏了 少 没看到 没有收到 | missing; left out; incomplete; not in the box
freegift: 赠品 赠送 送的 | free gift; freebie
bulk: 批发 团购 采购 大量 大批 订货 买得多 | wholesale; bulk; large order; large quantity; large quantities;
    boxes; corporate
company: 公司 企业 单位 | company; business; firm; corporate
colleagues: 员工 同事 福利 | staff; colleague; employee
discount: 折扣 打折 优惠 便宜 几折 打几折 减多少 | discount; cheaper; off; deal; offer; bargain
logo: 标志 商标 印字 烫印 | logo; brand; print
shippingfee: 运费 邮费 快递费 邮资 配送费 包邮 免邮 免运费 | postage; shipping fee; delivery fee;
    shipping cost; delivery cost; free shipping; free delivery; shipping free; charge for shipping;
    charge for delivery; delivery charge; shipping charge
free: 免费 包邮 免邮 免运费 不要钱 | free; free of charge
minimum: 满多少 起免 起送 门槛 凑单 | minimum; minimum spend
send: 发货 寄出 发出 出货 寄到 寄送 寄 配送 送货 发不发 | ship; send; sent; dispatch; deliver; delivery
arrive: 送到 到达 能到 收到 送达 几天到 | arrive; arrival; receive; get to; get here; reach
duration: 多久 几天 多长时间 多少天 几个月 什么时候 啥时候 何时 几时 几月 | how long; how many days; how fast;
    how soon; when; days; how quickly
cost: 多少钱 价格 费用 几块 怎么算 收费 | how much; cost; price; charge; fee
dayoff: 周末 周六 周日 星期天 节假日 假期 放假 过年 春节 国庆 除夕 | weekend; saturday; sunday; saturdays;
    sundays; holiday; holidays; lunar; new year; festival
today: 今天 今晚 明天 当天 晚上付 | today; tonight; tomorrow; same day
courier: 快递公司 哪家快递 什么快递 啥快递 顺丰 中通 圆通 韵达 | courier; carrier; sf; zto; delivery company
urgent: 加急 着急 很急 急用 急 赶时间 次日达 尽快 快点 快一点 | urgent; urgently; hurry; express; asap;
    next day; faster; rush; tomorrow
locker: 快递柜 驿站 丰巢 代收点 不在家 | locker; pick up point; pickup point; not at home
track: 物流 追踪 跟踪 轨迹 快递到哪 包裹到哪 到哪儿 到哪里 到哪了 | track; tracking; where is my parcel;
    where is my package; wheres my parcel; wheres my package; where is my order; wheres my order
tracknumber: 单号 运单号 快递单号 | tracking number; track number; waybill
parcel: 包裹 快递 快件 箱子 | parcel; package; packet; box
signed: 签收 已送达 没拿到 没有拿到 | says delivered; marked as delivered; says it was delivered
stuck: 不更新 没更新 不动 没动 停了 卡在 卡住 没变化 | stuck; no update; not updated; has not updated;
    stopped; not changed; not moving
lost: 丢失 丢件 寄丢 丢了 弄丢 丢 不见了 | lost; vanished; disappeared
late: 延误 超时 还没到 还没收到 没收到 没到 晚了 超过预计 迟迟 | late; delay; delayed; overdue;
    still not here; longer than; not arrived; not here
broken: 破损 碎 裂 裂痕 裂了 坏 摔 压扁 压坏 破了 破裂 打碎 损坏 磕 | broken; break; broke; damage; damaged;
    crack; cracked; shatter; shattered; smash; smashed; crush; crushed; torn; tore; chipped
compensate: 赔 赔偿 补偿 理赔 | compensate; compensation
abroad: 国外 海外 境外 国际 出境 香港 台湾 澳门 港澳台 新加坡 马来西亚 日本 美国 加拿大 欧洲 英国 澳洲
    澳大利亚 德国 法国 韩国 泰国 | abroad; overseas; international; foreign; internationally; hong kong;
    taiwan; macau; singapore; malaysia; japan; us; usa; canada; europe; uk; australia; germany; france; korea;
    thailand; united states
remote: 新疆 西藏 青海 甘肃 宁夏 内蒙 内蒙古 偏远 乌鲁木齐 拉萨 | xinjiang; tibet; remote; qinghai; gansu;
    inner mongolia
customs: 关税 清关 海关 进口税 | customs; duty; tariff; import tax; import duty
return: 退货 退回 寄回 退换 能退 还退 想退 要退 退 | return; returning; send back; send it back; give back;
    send the return; bring back
policy: 政策 规定 条件 无理由 | policy; rules; conditions; no reason
opened: 拆开 拆封 拆了 拆 开封 打开过 开过 | opened; unsealed; open the bag
used: 用过 使用过 | used
refund: 退款 退钱 钱退 退的钱 返款 退到 | refund; money back; my money; refunded; reimburse
received: 到账 到帐 | in my account; received; paid back
exchange: 换货 调换 换一个 换个 换大 换小 换颜色 想换 能换 可以换 | exchange; swap; replace; replacement
colour: 颜色 | colour; color
size: 大小 尺寸 规格 型号 买小 买大 大一点 小一点 大的 小的 | size; bigger; smaller; larger
quality: 质量 品质 | quality; faulty; defect; defective
smell: 异味 霉味 发霉 霉 怪味 怪怪的 味道不对 味道怪 变质 难闻 | smell; mould; mouldy; mold; moldy; musty;
    tastes off; tastes strange; tastes weird; spoiled; strange taste
insect: 虫子 虫 异物 杂物 | insect; bug; worm; hair in
fresh: 新鲜 不新鲜 | fresh; stale
invoice: 发票 开票 开个票 票据 收据 | invoice; receipt; fapiao
vat: 专票 增值税 专用发票 抵税 抵扣 进项 | vat; input tax; deduct; special invoice
invoicename: 抬头 税号 公司名 | tax number; company name; name on the invoice
mistake: 写错 填错 弄错 开错 打错 输错 错了 错字 填写错 选错 写成 | wrong; mistake; typo; incorrect; mistyped;
    misspelled
again: 重开 重新 补开 重发 再发 补发 | resend; again; reissue; send again
pay: 付款 支付 付钱 给钱 交钱 没付 付 | pay; payment; paid; paying
cod: 货到付款 货到再 收到再付 | cash on delivery; cod; pay on delivery
alipay: 支付宝 花呗 | alipay; huabei
wechat: 微信 | wechat
card: 信用卡 银行卡 银联 刷卡 | credit card; debit card; visa; mastercard; bank card; unionpay; paypal;
    apple pay
instalment: 分期 | instalment; installment; instalments; installments
fail: 失败 不成功 付不了 付不上 付不出 被拒 打不开 | fail; failed; failing; declined; does not go through;
    not go through; rejected
twice: 两次 重复 两遍 多扣 两笔 | twice; double; two times; duplicate
charged: 扣款 扣钱 扣费 钱扣 扣了 被扣 | charged; deducted; money was taken
coupon: 优惠券 折扣码 优惠码 代金券 红包 券 | coupon; voucher; promo code; discount code; promo
unusable: 不能用 用不了 用不上 无法使用 没法用 | not work; not working; doesnt work; does not work; invalid;
    wont apply
combine: 叠加 一起用 同时用 合用 两张 | combine; stack; together; two coupons; multiple coupons
newcustomer: 新人 新用户 新客 首单 第一单 刚注册 | new customer; new customers; first order; first time buyer;
    first time buyers; welcome; newcomer
firsttime: 第一次 首次 头一次 | first time; first
register: 注册 开通账号 | register; registered; sign up; signing up; create an account; registration
login: 登录 登陆 登不上 登不了 登不进 | log in; login; sign in; signin; log into
code: 验证码 短信码 | verification code; sms; sms code; text code; verification; code
locked: 锁定 被锁 锁了 封了 冻结 | locked; locked out; blocked
account: 账号 账户 帐号 帐户 | account
password: 密码 口令 | password; passcode
forgot: 忘记 忘了 找回 重置 | forgot; forgotten; reset; recover
delete: 注销 删除 删掉 删了 销户 删 | delete; deleting; erase; remove
privacy: 隐私 个人信息 信息 资料 数据 | privacy; personal data; data; personal information; my information
points: 积分 | points; point
member: 会员 等级 升级 | member; membership; members; level; silver; gold; bronze; vip
expire: 过期 到期 失效 有效期 多久有效 | expire; expired; expiry; run out; valid; good for; last; lasts
pricedrop: 降价 便宜了 差价 价保 价格保护 保价 补差 买贵 | price drop; price dropped; price went down;
    went down; got cheaper; price protection; price match; get the difference; difference back; cheaper after;
    lower price
giftcard: 礼品卡 储值卡 购物卡 的卡 卡号 | gift card; gift cards; gift voucher; gift certificate
balance: 余额 | balance
bind: 绑定 绑卡 添加 | redeem; bind; add it
keep: 保存 储存 存放 保管 冰箱 冷藏 冷冻 怎么放 | store tea; storage; keep; keeping; fridge; refrigerator;
    freezer; store
damp: 受潮 潮 | damp; wet; humid
shelflife: 保质期 生产日期 能放多久 能放几年 放几年 放多久 | shelf life; best before; production date;
    good for; tea keep; expiry date
brew: 冲泡 泡茶 怎么泡 泡出来 水温 泡 多少度 | brew; brewing; steep; infuse; water temperature; temperature
bitter: 苦 涩 | bitter
caffeine: 咖啡因 睡不着 失眠 提神 | caffeine; decaf; sleep; awake; caffeinated
pregnant: 怀孕 孕妇 孕期 哺乳 | pregnant; pregnancy; breastfeeding
children: 孩子 小孩 儿童 宝宝 | children; kids; child; baby
recommend: 推荐 介绍 选哪 哪款 哪种 买什么 买哪 | recommend; suggest; suggestion; which tea; what tea; choose
beginner: 新手 入门 初学 不懂茶 不懂 | beginner; beginners; new to tea; new to; starter
parents: 长辈 爸妈 父母 爸爸 妈妈 老人 岳父 领导 | parents; father; mother; dad; mum; mom; grandparents
sample: 试饮 试喝 小样 尝尝 尝一下 先尝 小包装 样品 试试 | sample; trial; taster; tasting; try; small amounts;
    small packs
clean: 清洗 洗不掉 怎么洗 清洁 污渍 茶垢 茶渍 洗 | clean; wash; stain; stains
dishwasher: 洗碗机 微波炉 | dishwasher; microwave
season: 开壶 养壶 新壶 第一次用 | season; seasoning; new teapot; new pot; first use
teapot: 茶壶 紫砂壶 紫砂 壶 | teapot; pot; yixing; clay
cup: 杯子 茶杯 杯 | cup; mug; glass
kettle: 电水壶 烧水壶 热水壶 电热壶 水壶 煮水壶 | kettle; kettles
warranty: 保修 质保 维修 修理 报修 修 | warranty; guarantee; repair; repaired
heating: 加热 不热 不通电 | heat; heating; power on
giftwrap: 礼品包装 礼盒 包装 包起来 | gift wrap; gift wrapping; wrap; wrapping; gift box; gift bag
present: 礼物 送人 送朋友 送礼 收礼 | present; gift
note: 贺卡 卡片 留言 写一张 写一句 | note; greeting card; handwritten; greeting; handwritten card
pricelist: 价格单 看到价格 小票 价签 | price list; see the price; prices; packing slip
stock: 缺货 没货 断货 补货 到货 有货 现货 卖完 售罄 | restock; out of stock; sold out; in stock;
    back in stock; available
notify: 通知 提醒 | notify; alert; let me know when
preorder: 预售 预订 预定 定金 尾款 | preorder; pre order; pre orders; deposit
harvest: 新茶 春茶 上市 | harvest; spring tea; new harvest
human: 转人工 人工客服 人工 真人 活人 | human; real person; a person; agent; representative; operator;
    somebody
contact: 联系 客服 客服电话 | contact; customer service; phone number; call you; email you
hours: 上班 营业时间 几点开 几点上班 工作时间 在线时间 | opening hours; are you open; business hours;
    working hours
place: 实体店 门店 店面 线下 有店 去店里 | physical store; a store; a shop; visit; showroom
complain: 投诉 举报 | complain; complaint
add: 加一 再加 加个 加上 | add; one more
"""


class _Reader:
    """Reads the table once: from phrases to concepts, and back."""

    def __init__(self, table: str) -> None:
        self.chinese: defaultdict[str, set[str]] = defaultdict(set)
        self.latin: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        self.spoken: defaultdict[str, list[str]] = defaultdict(list)
        self.words: set[str] = set()
        for line in table.replace("\n ", " ").strip().splitlines():
            name, _, phrases = line.partition(":")
            before, _, after = phrases.partition("|")
            for phrase in before.split():
                self._add_chinese("#" + name, phrase)
            for phrase in filter(None, map(str.strip, after.split(";"))):
                self._add_latin("#" + name, phrase)

    def _add_chinese(self, concept: str, phrase: str) -> None:
        self.chinese[phrase].add(concept)
        self.spoken[concept].append(" ".join(phrase) if len(phrase) > 1 else f" {phrase} ")

    def _add_latin(self, concept: str, phrase: str) -> None:
        words = phrase.split()
        self.latin[tuple(map(stem, words))].add(concept)
        self.spoken[concept].append(phrase if len(words) > 1 else stem(phrase))
        self.words.update(words)


_READ = _Reader(TABLE)
_CHINESE = {phrase: frozenset(concepts) for phrase, concepts in _READ.chinese.items()}
_LATIN = {phrase: frozenset(concepts) for phrase, concepts in _READ.latin.items()}
_CHINESE_PHRASE = re.compile("|".join(sorted(map(re.escape, _CHINESE), key=len, reverse=True)))
_LONGEST = max(map(len, _LATIN))

#: For each concept its phrases as the full-text index holds them (see `store/articles.py`).
SPOKEN = {concept: tuple(dict.fromkeys(phrases)) for concept, phrases in _READ.spoken.items()}

#: All Latin words of the table, folded.
WORDS = frozenset(_READ.words)


def in_chinese(run: str) -> Iterator[tuple[int, int, frozenset[str]]]:
    """(start, end, concepts) of the phrases in a run of Chinese characters, longest first, not overlapping."""
    for match in _CHINESE_PHRASE.finditer(run):
        yield match.start(), match.end(), _CHINESE[match.group()]


def in_latin(words: Sequence[str], at: int) -> tuple[int, frozenset[str]]:
    """How many of the words from `at` on make up a phrase, and its concepts; (0, none) if they don't."""
    stems: list[str] = []
    for word in words[at : at + _LONGEST]:
        if is_cjk(word):
            break
        stems.append(stem(word))
    for count in range(len(stems), 0, -1):
        found = _LATIN.get(tuple(stems[:count]))
        if found is not None:
            return count, found
    return 0, frozenset()
