"""What customers call the same thing: the words of buying and selling online, in Chinese and English.

A line of the table is one concept, an indented line continues it: its name, the Chinese phrases, the English ones.
Visitors rarely use the words of the article ("is the money back yet", 钱退了没); a concept is found by any of its
phrases in either language, which also carries questions that mix both. A phrase may stand in several lines. Only
the trade's general vocabulary belongs here; what is special to a shop is said by the `asks` of its articles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from xiaoer import Fold, Skip, WordFilter

from .language import stem

TABLE = """
order: 订单 单子 那单 这单 下单 拍下 订购 订的 我的单 那个单 下错单 下的单 下了单 | order; orders;
    placed an order; ordered; what i ordered
buy: 购买 买 选购 购物 入手 怎么拍 怎么下单 下单流程 | buy; bought; buying; purchase; shopping; shop online;
    ordering; get some
cart: 购物车 结算 结账 | cart; basket; check out; checkout
guest: 访客 游客 不注册 不想注册 没有账号 没账号 | guest; without an account; need an account; sign up to buy
cancel: 取消 撤销 撤单 撤了 不想要 不要了 不想买 退订 别发了 不发了 撤回 后悔 改主意 取消掉 退掉订单 不需要了
    要撤 想撤 下错单 | cancel; cancellation; call off; do not want it; dont want it; stop the order;
    stop my order; changed my mind; do not need it; no longer want; no longer need; revoke; do not want;
    dont want; dont need; cancel what i ordered
closed: 自动取消 自动关闭 关闭 关掉 | closes; closed automatically; cancelled automatically
change: 修改 更改 改成 改一下 改 变更 更新 换成 改到 改为 调整 改下 搞错地址 | change; edit; modify; update;
    amend; switch; alter; adjust; fix; put the wrong; wrong number
address: 地址 收货信息 住址 收件人 收货人 送货地址 收件地址 门牌 搬家 门牌号 楼号 | address; street;
    recipient; destination; zip code; postcode; house number; moved house; wrong place; apartment;
    flat number; zip
phone: 手机号 手机 电话 号码 | phone; mobile; phone number; mobile number; telephone
newnumber: 换手机号 换号码 换号 换了手机 旧号码 改绑 号码不用 新号 换了新号 换新号 | new number; old number;
    changed my phone; new phone; new mobile; change my number; lost my phone; got a new phone
status: 状态 进度 到哪一步 什么情况 动静 进展 处理到 怎么样了 到哪步 | status; progress; stage;
    what is happening; nothing happens; any news; update on
packing: 打包 装箱 待发货 | packing; packed
wrongitem: 发错 错发 寄错 送错 不对 不是我要的 不是我买的 搞错 别人的 搞混 发成 寄成 送成 货不对 不是我 不符
    寄来一 不一样 不符合 不是这个 | wrong product; wrong item; wrong thing; instead of; different tea;
    different item; not what; someone elses; somebody elses; mixed up; mix up; incorrect item; not the one;
    another item; not my order; not mine; does not match; not the same; different from
missing: 少发 漏发 少了 少一 缺少 漏了 少 没看到 没有收到 缺件 缺了 没给 没放 只收到 数量不对 缺一 只来了
    就来了 只到了 少来 缺 | missing; left out; incomplete; not in the box; only received; only got;
    not included; did not include; lacking; short of; forgot to send; only one came; one came; only one;
    not all; part of my order
freegift: 赠品 赠送 送的 | free gift; freebie
bulk: 批发 团购 采购 大量 大批 订货 买得多 批量 多买 大批量 量大 几十 上百 集体 五十 一百 两百 定制 一批 |
    wholesale; bulk; large order; large quantity; large quantities; boxes; corporate; in bulk; many boxes;
    large amount; volume; hundred; office; pieces; clients; customise; customize; custom
company: 公司 企业 单位 | company; business; firm; corporate
colleagues: 员工 同事 福利 | staff; colleague; employee
discount: 折扣 打折 优惠 便宜 几折 打几折 减多少 省钱 划算 促销 活动 特价 | discount; cheaper; off; deal;
    offer; bargain; promotion; sale; save; reduction
logo: 标志 商标 印字 烫印 | logo; brand; print
shippingfee: 运费 邮费 快递费 邮资 配送费 包邮 免邮 免运费 快递钱 送货费 付快递费 收邮费 | postage;
    shipping fee; delivery fee; shipping cost; delivery cost; free shipping; free delivery; shipping free;
    charge for shipping; charge for delivery; delivery charge; shipping charge; delivery free; cost to ship;
    cost to deliver; ship for free; pay for shipping; pay for delivery; cover shipping; shipping rate;
    shipping price; price of shipping
free: 免费 包邮 免邮 免运费 不要钱 | free; free of charge
minimum: 满多少 起免 起送 门槛 凑单 凑够 凑满 | minimum; minimum spend; spend
send: 发货 寄出 发出 出货 寄到 寄送 寄 配送 送货 发不发 发走 发过来 寄过来 发到 能发 能寄 寄给 发往 照常发
    发吗 | ship; send; sent; dispatch; deliver; delivery; ship out; mail; post it; send out
arrive: 送到 到达 能到 收到 送达 几天到 到手 拿到 收得到 送来 | arrive; arrival; receive; get to; get here;
    reach; show up; turn up; come; here by
duration: 多久 几天 多长时间 多少天 几个月 什么时候 啥时候 何时 几时 几月 多长 要几 几号 哪天 什么时间
    需要多久 多快 几周 | how long; how many days; how fast; how soon; when; days; how quickly; how many weeks;
    till; by when; what date; take
cost: 多少钱 价格 费用 几块 怎么算 收费 | how much; cost; price; charge; fee
dayoff: 周末 周六 周日 星期天 节假日 假期 放假 过年 春节 国庆 除夕 五一 十一 元旦 清明 中秋 端午 双休 休息 |
    weekend; saturday; sunday; saturdays; sundays; holiday; holidays; lunar; new year; festival; bank holiday;
    christmas; easter; public holiday
today: 今天 今晚 明天 当天 晚上付 | today; tonight; tomorrow; same day
courier: 快递公司 哪家快递 什么快递 啥快递 顺丰 中通 圆通 韵达 快递员 哪家 走哪家 物流公司 哪家物流 | courier;
    carrier; sf; zto; delivery company; ups; dhl; fedex; shipping company; courier company; delivered by
urgent: 加急 着急 很急 急用 急 赶时间 次日达 尽快 快点 快一点 隔天 第二天 马上要 今天就要 来不及 更快 早点到 |
    urgent; urgently; hurry; express; asap; next day; faster; rush; tomorrow; overnight; right away;
    as soon as possible; by tomorrow; quickly; fast; speed up; faster delivery; pay extra; quicker; sooner
locker: 快递柜 驿站 丰巢 代收点 不在家 门口 前台 门卫 保安 放在 | locker; pick up point; pickup point;
    not at home; doorstep; neighbour; neighbor; leave it; front door; reception; drop off
track: 物流 追踪 跟踪 轨迹 快递到哪 包裹到哪 到哪儿 到哪里 到哪了 查快递 查物流 快递信息 查不到 跟进 运单 停在
    | track; tracking; where is my parcel; where is my package; wheres my parcel; wheres my package;
    where is my order; wheres my order; where is my stuff; locate; track my; tracking info; track it
tracknumber: 单号 运单号 快递单号 | tracking number; track number; waybill
parcel: 包裹 快递 快件 箱子 | parcel; package; packet; box
signed: 签收 已送达 没拿到 没有拿到 被签收 谁签收 显示送达 说送到 | says delivered; marked as delivered;
    says it was delivered; marked delivered; shows delivered; delivered but; signed for
stuck: 不更新 没更新 不动 没动 停了 卡在 卡住 没变化 停在 | stuck; no update; not updated; has not updated;
    stopped; not changed; not moving; same place
lost: 丢失 丢件 寄丢 丢了 弄丢 丢 不见了 失踪 找不到 没影 | lost; vanished; disappeared; cannot be found;
    gone missing; missing parcel; missing package; never arrived; never showed up
late: 延误 超时 还没到 还没收到 没收到 没到 晚了 超过预计 迟迟 没见 没等到 等了 等好久 还不到 拖 一直没到 迟到
    好久 好几天 影子 一个星期 没来 两周 两个星期 一周 | late; delay; delayed; overdue; still not here;
    longer than; not arrived; not here; never arrived; never came; never showed up; never received;
    did not arrive; did not come; has not arrived; have not received; not received; taking so long; waiting;
    still waiting; where is it; supposed to; two weeks; a week; weeks; no parcel; no package
broken: 破损 碎 裂 裂痕 裂了 坏 摔 压扁 压坏 破了 破裂 打碎 损坏 磕 破 烂 漏水 缺口 磕碰 断了 压烂 变形 渣
    摔烂 断 | broken; break; broke; damage; damaged; crack; cracked; shatter; shattered; smash; smashed;
    crush; crushed; torn; tore; chipped; leaking; dented; bent; ruined; in pieces; scratched; chip
compensate: 赔 赔偿 补偿 理赔 | compensate; compensation
abroad: 国外 海外 境外 国际 出境 香港 台湾 澳门 港澳台 新加坡 马来西亚 日本 美国 加拿大 欧洲 英国 澳洲
    澳大利亚 德国 法国 韩国 泰国 洛杉矶 纽约 伦敦 巴黎 外国 越南 菲律宾 印度 俄罗斯 新西兰 意大利 西班牙
    墨西哥 | abroad; overseas; international; foreign; internationally; hong kong; taiwan; macau; singapore;
    malaysia; japan; us; usa; canada; europe; uk; australia; germany; france; korea; thailand; united states;
    vietnam; india; russia; new york; london; paris; italy; spain; mexico; outside china; new zealand;
    philippines
remote: 新疆 西藏 青海 甘肃 宁夏 内蒙 内蒙古 偏远 乌鲁木齐 拉萨 | xinjiang; tibet; remote; qinghai; gansu;
    inner mongolia
customs: 关税 清关 海关 进口税 | customs; duty; tariff; import tax; import duty
return: 退货 退回 寄回 退换 能退 还退 想退 要退 退 不喜欢 退掉 退了 不满意 退单 | return; returning;
    send back; send it back; give back; send the return; bring back; do not like; dont like; not happy;
    bring it back; hand back; returned; return label
policy: 政策 规定 条件 无理由 限制 期限 时间限制 | policy; rules; conditions; no reason; limit; time limit
opened: 拆开 拆封 拆了 拆 开封 打开过 开过 | opened; unsealed; open the bag
used: 用过 使用过 | used
refund: 退款 退钱 钱退 退的钱 返款 退到 退的款 钱呢 钱没退 退还 退我钱 退款呢 | refund; money back; my money;
    refunded; reimburse; get refunded; refund hits; my money back; reimbursed
received: 到账 到帐 到卡 收到钱 | in my account; received; paid back; hits my; in my bank; on my card;
    arrive in
exchange: 换货 调换 换一个 换个 换大 换小 换颜色 想换 能换 可以换 换别的 换一只 小号 大号 换新的 换成 换一种 |
    exchange; swap; replace; replacement; trade; different size; different colour; different color;
    another size; another colour; another color; instead of this one; get another; a bigger
colour: 颜色 | colour; color
size: 大小 尺寸 规格 型号 买小 买大 大一点 小一点 大的 小的 | size; bigger; smaller; larger
quality: 质量 品质 劣质 次品 瑕疵 | quality; faulty; defect; defective; poor quality; bad quality; bad batch
smell: 异味 霉味 发霉 霉 怪味 怪怪的 味道不对 味道怪 变质 难闻 味道 难喝 变味 串味 臭 长毛 | smell; mould;
    mouldy; mold; moldy; musty; tastes off; tastes strange; tastes weird; spoiled; strange taste; weird;
    taste; tastes; strange; foul; stink; odd; looks mouldy; looks moldy
insect: 虫子 虫 异物 杂物 头发 石子 毛发 长毛 | insect; bug; worm; hair in; hair; stone; foreign object;
    foreign body; bugs
fresh: 新鲜 不新鲜 陈茶 放久了 | fresh; stale; old leaves
invoice: 发票 开票 开个票 票据 收据 报销 开张票 电子票 普票 | invoice; receipt; fapiao; reimbursement;
    expense; expenses; bill; download the invoice
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
fail: 失败 不成功 付不了 付不上 付不出 被拒 打不开 转圈 报错 出错 支付不了 无法支付 付款不了 不能付款 | fail;
    failed; failing; declined; does not go through; not go through; rejected; error; crash; unsuccessful;
    not accepted; denied; cannot pay; cant pay; wont go through; does not load; will not load
twice: 两次 重复 两遍 多扣 两笔 多扣钱 双重 双倍 | twice; double; two times; duplicate; two charges;
    charged again
charged: 扣款 扣钱 扣费 钱扣 扣了 被扣 | charged; deducted; money was taken
coupon: 优惠券 折扣码 优惠码 代金券 红包 券 满减 抵扣券 券码 | coupon; voucher; promo code; discount code;
    promo; discount codes; coupon code; promotional code; code
unusable: 不能用 用不了 用不上 无法使用 没法用 | not work; not working; doesnt work; does not work; invalid;
    wont apply
combine: 叠加 一起用 同时用 合用 两张 一块儿用 一块用 一起使用 同时使用 一块儿 | combine; stack; together;
    two coupons; multiple coupons; at the same time; more than one; both
newcustomer: 新人 新用户 新客 首单 第一单 刚注册 新注册 新会员 首次下单 第一次买 第一次下单 注册送 注册有 |
    new customer; new customers; first order; first time buyer; first time buyers; welcome; newcomer;
    first purchase; new user; new here; newbie; signup bonus; sign up bonus; buy for the first time;
    welcome offer; welcome coupon; for signing up
firsttime: 第一次 首次 头一次 | first time; first
register: 注册 开通账号 | register; registered; sign up; signing up; create an account; registration
login: 登录 登陆 登不上 登不了 登不进 上不去 进不去 登不进去 进不了 | log in; login; sign in; signin;
    log into; get in; access my account; cannot access; get into; getting into; locked out
code: 验证码 短信码 收不到短信 没收到短信 验证短信 | verification code; sms; sms code; text code;
    verification; code; otp; one time code; verification text; text message
locked: 锁定 被锁 锁了 封了 冻结 | locked; locked out; blocked
account: 账号 账户 帐号 帐户 | account
password: 密码 口令 密码错误 | password; passcode
forgot: 忘记 忘了 找回 重置 想不起来 不记得 记不得 丢了密码 | forgot; forgotten; reset; recover;
    cannot remember; dont remember; do not remember; remember; lost my password
delete: 注销 删除 删掉 删了 销户 删 不想用了 清除 抹掉 账号不想要 账号不要 不想要账号 | delete; deleting;
    erase; remove; close my account; close account; close the account; deactivate; terminate;
    cancel my account; wipe; get rid of; do not want my account; dont want my account; delete the account
privacy: 隐私 个人信息 信息 资料 数据 泄露 保密 卖给 拿我的 用我的信息 | privacy; personal data; data;
    personal information; my information; leak; gdpr; confidential; private; share my; do with my
points: 积分 点数 攒积分 | points; point; reward; rewards; loyalty; loyalty points; earn points; point worth
member: 会员 等级 升级 贵宾 级别 升到 | member; membership; members; level; silver; gold; bronze; vip;
    loyalty program; tier; tiers; premium
expire: 过期 到期 失效 有效期 多久有效 清零 作废 能用多久 | expire; expired; expiry; run out; valid; good for;
    last; lasts; deadline; expires; still valid; runs out
pricedrop: 降价 便宜了 差价 价保 价格保护 保价 补差 买贵 掉价 跌价 降了 更便宜 刚买就 | price drop;
    price dropped; price went down; went down; got cheaper; price protection; price match; get the difference;
    difference back; cheaper after; lower price; cheaper now; now cheaper; price fell; lower now; on sale now;
    dropped; dropped the price; refund the difference; price difference
giftcard: 礼品卡 储值卡 购物卡 的卡 卡号 电子卡 储值 | gift card; gift cards; gift voucher; gift certificate;
    egift; store credit
balance: 余额 | balance
bind: 绑定 绑卡 添加 激活 兑换 怎么用 | redeem; bind; add it; activate; how to use; use my
keep: 保存 储存 存放 保管 冰箱 冷藏 冷冻 怎么放 放哪 放哪里 防潮 密封 存 放着 喝不完 | store tea; storage;
    keep; keeping; fridge; refrigerator; freezer; store; preserve; container; tin; jar; airtight;
    best way to store; how to store
damp: 受潮 潮 | damp; wet; humid
shelflife: 保质期 生产日期 能放多久 能放几年 放几年 放多久 放坏 坏掉 能存多久 存多久 几年 保质 保质多久 |
    shelf life; best before; production date; good for; tea keep; expiry date; go bad; goes bad; go off;
    spoil; how long does it keep; old tea; too old; is it expired
brew: 冲泡 泡茶 怎么泡 泡出来 水温 泡 多少度 第一泡 洗茶 几克 水多热 热水 几分钟 开水 多少克 怎么喝 倒掉
    放几克 放多少 茶水比 | brew; brewing; steep; infuse; water temperature; temperature; grams; minutes;
    hot water; boil; boiling; first steep; rinse; prepare; make tea; cup of tea; leaves; how hot;
    how much tea; water be
bitter: 苦 涩 太浓 | bitter; too strong
caffeine: 咖啡因 睡不着 失眠 提神 睡觉 睡眠 | caffeine; decaf; sleep; awake; caffeinated; keep me up;
    keep me awake; insomnia; at night; before bed; sleepless
pregnant: 怀孕 孕妇 孕期 哺乳 备孕 | pregnant; pregnancy; breastfeeding; expecting; nursing
children: 孩子 小孩 儿童 宝宝 | children; kids; child; baby
recommend: 推荐 介绍 选哪 哪款 哪种 买什么 买哪 建议 哪个好 哪个茶 什么茶 好喝 送什么 选什么 喝什么 选哪个 |
    recommend; suggest; suggestion; which tea; what tea; choose; idea; ideas; best tea; which one; popular;
    bestseller; best seller; should i get; good tea; nice tea
beginner: 新手 入门 初学 不懂茶 不懂 小白 没喝过 刚开始喝 第一次喝 没喝过茶 从来不喝 | beginner; beginners;
    new to tea; new to; starter; never drunk; start with; never tried; never drinks; never drink;
    not a tea drinker; new to drinking
parents: 长辈 爸妈 父母 爸爸 妈妈 老人 岳父 领导 婆婆 丈母娘 爷爷 奶奶 老师 客户 | parents; father; mother;
    dad; mum; mom; grandparents; mother in law; grandma; grandpa; grandfather; grandmother; boss; teacher;
    elderly
sample: 试饮 试喝 小样 尝尝 尝一下 先尝 小包装 样品 试试 小份 试味 一小包 体验 试试味道 小包 试用装 试用 |
    sample; trial; taster; tasting; try; small amounts; small packs; sampler; small pack; little bit;
    sample pack; test; sampler pack; sample size
clean: 清洗 洗不掉 怎么洗 清洁 污渍 茶垢 茶渍 洗 洗干净 发黑 茶锈 擦 洗洁精 洗涤剂 | clean; wash; stain;
    stains; residue; dirty; scrub; get rid of stains; cleaning; detergent; soap; washing up
dishwasher: 洗碗机 微波炉 | dishwasher; microwave
season: 开壶 养壶 新壶 第一次用 新买的 | season; seasoning; new teapot; new pot; first use; season a;
    before first use; brand new
teapot: 茶壶 紫砂壶 紫砂 壶 | teapot; pot; yixing; clay
cup: 杯子 茶杯 杯 盖碗 公道杯 | cup; mug; glass; gaiwan
kettle: 电水壶 烧水壶 热水壶 电热壶 水壶 煮水壶 | kettle; kettles
warranty: 保修 质保 维修 修理 报修 修 过保 保期 换新 保修期 能修 修吗 | warranty; guarantee; repair; repaired;
    guaranteed; under guarantee; stopped working; broke down; does not work any more; dead; claim warranty;
    warranty claim; under warranty
heating: 加热 不热 不通电 漏电 不工作 没反应 不亮 烧不开 烧不热 | heat; heating; power on; dead;
    does not turn on; wont turn on; will not turn on; stopped working; does not boil; switch on
giftwrap: 礼品包装 礼盒 包装 包起来 礼袋 丝带 手提袋 | gift wrap; gift wrapping; wrap; wrapping; gift box;
    gift bag; ribbon; wrapped; nicely packed
present: 礼物 送人 送朋友 送礼 收礼 生日 送给 礼品 | present; gift; birthday; for a friend; for my friend;
    gifting
note: 贺卡 卡片 留言 写一张 写一句 代写 祝福 祝福语 写几个字 祝福卡 生日卡 写卡 | note; greeting card;
    handwritten; greeting; handwritten card; birthday card; write a message; dedication; personal message;
    message
pricelist: 价格单 看到价格 小票 价签 看见价格 显示价格 | price list; see the price; prices; packing slip;
    receipt inside; invoice inside; price tag; price inside
stock: 缺货 没货 断货 补货 到货 有货 现货 卖完 售罄 买不到 有没有货 什么时候有 上新 补 再有货 有货吗 |
    restock; out of stock; sold out; in stock; back in stock; available; available again; come back;
    no longer available; unavailable; restocking; sell out
notify: 通知 提醒 告诉我 | notify; alert; let me know when; tell me when; email me when; remind; text me when
preorder: 预售 预订 预定 定金 尾款 | preorder; pre order; pre orders; deposit
harvest: 新茶 春茶 上市 | harvest; spring tea; new harvest
human: 转人工 人工客服 人工 真人 活人 找人 真的人 人来 机器人 叫客服 客服来 找客服 叫你们 | human;
    real person; a person; agent; representative; operator; somebody; speak to someone; talk to someone;
    talk to somebody; live chat; live agent; real human; someone real; not a bot; bot; get me; manager;
    supervisor; human being
contact: 联系 客服 客服电话 热线 打给 邮箱 怎么联系 | contact; customer service; phone number; call you;
    email you; hotline; call; email; support; helpdesk; reach you; get in touch; telephone number
hours: 上班 营业时间 几点开 几点上班 工作时间 在线时间 营业 下班 几点下班 | opening hours; are you open;
    business hours; working hours; what time; hours; open; opening
place: 实体店 门店 店面 线下 有店 去店里 门市 自提 上门 哪里有店 地址在哪 | physical store; a store; a shop;
    visit; showroom; pick up; offline; located; in person; come by; storefront
complain: 投诉 举报 差评 态度 不满意你们 | complain; complaint; rude; bad service; file a complaint; manager
add: 加一 再加 加个 加上 补进 追加 加进 加到 忘了选 | add; one more; add to my order; include in my order
returncost: 来回运费 退货运费 退货邮费 退货快递费 退货的邮费 退货的运费 | return shipping; return postage;
    pay for return; return label; return shipping cost; pay return
-: 东西 时候 现在 一下 怎么 怎样 如何 为什么 没有 还没 已经 一直 是不是 能不能 有没有 可不可以 行不行 麻烦
    请问 谢谢 你们 我们 他们 自己 知道 需要 发现 应该 一个 一点 那个 这个 这样 一些 真的 感觉 觉得 其实 不过
    但是 然后 就是 只是 可能 大概 大约 | stuff; happen; by mistake
"""


#: The line of phrases that say nothing.
FILLER = "-"


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
                self._add_chinese(_concepts(name), phrase)
            for phrase in filter(None, map(str.strip, after.split(";"))):
                self._add_latin(_concepts(name), phrase)

    def _add_chinese(self, concepts: Sequence[str], phrase: str) -> None:
        self.chinese[phrase].update(concepts)
        for concept in concepts:
            self.spoken[concept].append(phrase)

    def _add_latin(self, concepts: Sequence[str], phrase: str) -> None:
        words = phrase.split()
        self.latin[tuple(map(stem, words))].update(concepts)
        for concept in concepts:
            self.spoken[concept].append(phrase)
        self.words.update(words)


def _concepts(name: str) -> list[str]:
    return [] if name == FILLER else ["#" + name]


_READ = _Reader(TABLE)
_CHINESE = {phrase: frozenset(concepts) for phrase, concepts in _READ.chinese.items()}
_LATIN = {phrase: frozenset(concepts) for phrase, concepts in _READ.latin.items()}
# Leftmost, then longest, and nothing folded: the texts are folded already. A regular expression tries each of the
# phrases at each character, and takes five times as long.
_CHINESE_PHRASES = WordFilter(_CHINESE, fold=Fold(0), skip=Skip(gap=0, total=0), whole_words=False)
# By the first word, the longest first.
_LATIN_PHRASES: defaultdict[str, list[tuple[tuple[str, ...], frozenset[str]]]] = defaultdict(list)
for _phrase in sorted(_LATIN, key=len, reverse=True):
    _LATIN_PHRASES[_phrase[0]].append((_phrase, _LATIN[_phrase]))

#: For each concept its phrases.
SPOKEN = {concept: tuple(dict.fromkeys(phrases)) for concept, phrases in _READ.spoken.items()}

#: All Latin words of the table, folded.
WORDS = frozenset(_READ.words)


def in_chinese(run: str) -> Iterator[tuple[int, int, frozenset[str]]]:
    """(start, end, concepts) of the phrases in a run of Chinese characters, longest first, not overlapping.

    A phrase without concepts is a filler.
    """
    for match in _CHINESE_PHRASES.find(run):
        yield match.start, match.end, _CHINESE[match.word.text]


def in_latin(stems: Sequence[str], at: int) -> tuple[int, frozenset[str]]:
    """How many of the words from `at` on make up a phrase, and its concepts; (0, none) if they don't.

    A phrase without concepts is a filler.

    Args:
        stems: Of the words of a text; what stands for Chinese among them is part of no phrase.
    """
    for phrase, concepts in _LATIN_PHRASES.get(stems[at], ()):
        if len(phrase) == 1 or tuple(stems[at : at + len(phrase)]) == phrase:
            return len(phrase), concepts
    return 0, frozenset()
