"""The words that decide whether two support questions ask for the same: data for `guards.py`.

Each entry is the alternatives of a regular expression over folded text (NFKC, lower case), Chinese and English.
Longer words stand before the shorter ones they contain.
"""

from __future__ import annotations

#: What is to be done. What is found is taken out of the text, in this order, so that 解除绑定 is no 绑定.
ACTIONS: dict[str, str] = {
    "unbind": "解绑|解除绑定|取消绑定|解除关联|取消关联|去绑|unbind|unlink|disconnect|detach",
    "bind": "绑定|绑卡|绑上|换绑|绑|关联|\\bbind\\b|\\blink(?:ing|ed)?\\b|\\bconnect(?:ing|ed)?\\b",
    "unlock": "解冻|解锁|解封|恢复使用|unfreeze|unlock|unblock|unsuspend",
    "lock": "冻结|锁定|封号|被封|被锁|挂失|\\bfreez\\w+|\\bfroze\\w*|\\block(?:ed|ing)?\\b|\\bblock(?:ed|ing)?\\b"
    "|\\bsuspend\\w*",
    "log out": "退出登录|退出账号|登出|log(?:ging)? ?out|sign(?:ing)? ?out",
    "log in": "登录|登陆|登入|登不上|登不了|log(?:ging|ged)? ?in|sign(?:ing|ed)? ?in(?!g)",
    "refund": "退款|退钱|退费|退还|退回[^，。]{0,4}钱|钱[^，。]{0,4}退|refund\\w*|money back|reimburs\\w*",
    "return": "退换货|退货|寄回|退回|退掉|\\breturn\\w*|send(?:ing)? (?:it |this |them )?back",
    "exchange": "换货|更换|调换|换成|换(?=尺码|颜色|大|小|新|个|一[件个双])|\\bexchang\\w+|\\bswap\\w*|\\breplac\\w+",
    "repay": "还款|还钱|还清|还贷|还账|还完|(?:怎么|如何|怎样|咋|可以|能|要|先"
    "|来)还(?![没未不能可会需要有是在得])|还(?=花呗|借呗|白条|信用卡|贷|多少|吗|么|不了|不上|$|[?。!])"
    "|repay\\w*|pay(?:ing)? (?:\\w+ )?(?:back|off)|paid (?:back|off)",
    "top up": "充值|充钱|充话费|转入|转进|存入|存钱|top(?:ping|ped)?[- ]?up|\\bdeposit\\w*|add(?:ing)? (?:money"
    "|funds)|transfer(?:red)? (?:\\w+ )?in(?:to)?\\b",
    "withdraw": "提现|提不了现|取现|套现|取出|取钱|取款|取(?=多少|现)|转出|withdr\\w+|cash(?:ing)? out"
    "|take (?:\\w+ )?out"
    "|transfer(?:red)? (?:\\w+ )?out",
    "transfer": "转账|转帐|汇款|汇钱|打钱|打款|转钱|转(?=到|给|至|错|多少)|\\btransfer\\w*|send(?:ing)? money"
    "|\\bwir(?:e|ing)\\b",
    "collect": "收款|收钱|收账|receiv\\w+ (?:a )?payments?|get paid|accept payments?",
    "lend": "借出|出借|放款|放贷|\\blend\\w*",
    "borrow": "借款|借钱|借贷|(?:怎么|如何|怎样|想|能|可以|申请)贷款|借(?!呗|记|口|助)|borrow\\w*|\\bloans?\\b"
    "|\\btake (?:a|out a) loan",
    "close": "取消|撤销|撤回|关闭|关掉|关停|停用|停掉|注销|退保|退(?=保险|会员|订)|销户|解约|退订|关(?=了|不了"
    "|不掉|花呗|借呗|免密|自动)"
    "|cancel\\w*|call(?:ing)? off|revok\\w+|\\bclos(?:e|ed|ing)\\b|deactivat\\w+|disabl\\w+"
    "|turn(?:ing)? (?:\\w+ )?off|switch(?:ing)? (?:\\w+ )?off|unsubscrib\\w+|terminat\\w+",
    "activate": "激活|\\bactivat\\w+",
    "open": "\\bsubscrib\\w*|开通|开启|启用|打开|开户|开立|申请|办理|开办|办卡|申办|开(?=花呗|借呗|白条|会员|卡"
    "|网银|微粒贷|不了"
    "|不通)"
    "|\\bopen(?:ing|ed)?\\b|enabl\\w+|turn(?:ing)? (?:\\w+ )?on\\b|switch(?:ing)? (?:\\w+ )?on\\b|\\bappl(?:y"
    "|ying|ied)\\b",
    "register": "注册|register\\w*|sign(?:ing|ed)? ?up|creat\\w+ (?:an )?account",
    "verify": "验证|认证|实名|核验|核实|verif\\w+|authenticat\\w+",
    "reset": "重置|重设|找回|恢复|\\breset\\w*|\\brecover\\w*|retriev\\w+",
    "raise": "提高|提升|增加|增大|提额|上调|调高|涨额|升级|加(?=额度|量)|涨(?=价|了|额)|升(?=额)|\\brais(?:e|ing"
    "|ed)\\b|increas\\w+|upgrad\\w+|boost\\w*",
    "lower": "降低|减少|下调|调低|降额|降级|缩减|调小|降(?=价|了|额)|\\blower\\w*|decreas\\w+|\\breduc\\w+"
    "|downgrad\\w+",
    "extend": "延期|延长|延后|推迟|展期|宽限|延迟|晚点还|\\bextend\\w*|extension|postpon\\w+|\\bdelay\\w*|defer\\w*",
    "renew": "续费|续订|续期|续约|\\brenew\\w*",
    "instalments": "分期|instal{1,2}ments?|pay monthly|split (?:\\w+ )?payments?",
    "resend": "重新发送|重发|补发|再发|resend\\w*|send (?:\\w+ )?again",
    "issue": "开票|开具|开发票|开(?=张|增值税|专票|普票)",
    "change": "修改|更改|变更|改成|改(?!了|过|编|天|日|善|进|装|革)|\\bchang\\w+|\\bmodif\\w+|\\bedit\\w*"
    "|\\bupdat\\w+"
    "|\\bcorrect(?:ing)?\\b|amend\\w*",
    "remove": "卸载|删除|清空|删掉|清除|移除|删|uninstall\\w*|\\bdelet\\w+|\\bremov\\w+|\\beras\\w+",
    "add": "添加|加(?=好友|微信|群)|新增|增添|加上|\\badd(?:ing|ed)?\\b",
    "install": "安装|下载|装上|\\binstall(?!ment)\\w*|\\bdownload\\w*",
    "dispatch": "发货|寄出|发出|出库|发快递|\\bship(?:ped|s|ping)?\\b|dispatch\\w*|sent out",
    "deliver": "到货|送到|送达|送货|配送|派送|派件|deliver\\w*|\\barriv\\w+",
    "credit": "到账|入账|到帐|credited|reach my (?:\\w+ )?account|show(?:s|ing)? up",
    "deduct": "扣款|扣钱|扣费|被扣|扣(?=了|的|多少)|没扣|划扣|代扣|charged?\\b(?! (?:the|my) (?:phone|battery"
    "|device))|deduct\\w*"
    "|debit(?:ed|ing)",
    "sell": "卖|出售|转让|\\bsell\\w*|\\bsold\\b",
    "buy": "购买(?!的|了|过)|买(?!的|了|过|贵|家|错)|下单|订购|拍下|购入|\\bbuy\\w*|\\bbought\\b|purchas\\w+"
    "|plac\\w+ an order"
    "|\\border(?:ing)? (?:a|an|some|the|one|more)\\b",
    "pay": "付款|支付(?!宝)|付钱|付(?=多少|不|得)|交钱|缴费|缴纳|结账|付费|代付|\\bpay(?:ing|ment|ments|s)?\\b"
    "|\\bpaid\\b|check ?out",
    "track": "跟踪|追踪|物流(?=到)|\\btrack\\w*|where is my (?:order|parcel|package)",
    "complain": "投诉|举报|complain\\w*|\\breport\\b|disput\\w+",
    "review": "评价(?!写错)|评论|好评|差评|\\breview\\w*|\\brat(?:e|ing)s?\\b",
    "contact": "联系|转人工|人工|打电话|\\bcontact\\w*|speak (?:to|with)|talk(?:ing)? (?:to|with)|\\bcall\\b",
    "repair": "维修|修理|返修|报修|\\brepair\\w*",
    "redeem": "兑换|换购|redeem\\w*",
    "claim": "领取|怎么领|如何领|领(?=券|优惠|红包|会员|奖)|\\bclaim\\w*",
    "gift": "赠送|送人|送(?=给|朋友|礼)|\\bgift\\w*|give (?:it )?to",
    "hide": "隐藏|屏蔽|拉黑|\\bhid(?:e|ing|den)\\b|\\bmut(?:e|ing)\\b",
    "wash": "清洗|清洁|清理|洗(?!手间)|\\bwash\\w*|\\bclean(?:ing)?\\b",
    "store": "保存|存放|储存|\\bstor(?:ing|age)\\b|\\b(?:i|to) store\\b",
    "brew": "冲泡|泡(?=茶|几|多)|怎么泡|\\bbrew\\w*|\\bsteep\\w*",
    "find": "查询|查看|查找|查(?!收)|看到|看一?下|\\bcheck(?:ing)?\\b|\\bview(?:ing)?\\b|look(?:ing)? up"
    "|\\bsee\\b|\\bfind\\b",
    "use": "使用|用(?=不|了|的|花呗|借呗|微信|支付宝|信用卡|优惠|券|来|在)|怎么用|如何用|能用|\\bus(?:e|ing)\\b",
}

#: Actions that add little beside another one: 查询退款进度 asks what 退款进度 asks.
WEAK = frozenset({"find", "use", "contact", "open", "credit", "deliver"})

#: Two ends of one scale: a question that names one asks for something else than one that names the other.
POLES: tuple[tuple[str, str, str], ...] = (
    (
        "height",
        "最高|高于|调高|太高|偏高|\\bhigh(?:er|est)?\\b|maximum|\\bmax\\b|upper",
        "最低|低于|调低|太低|偏低|\\blow(?:er|est)?\\b|minimum|\\bmin\\b",
    ),
    (
        "amount",
        "最多|多于|超过|以上|至多|more than|at most|\\bover\\b|\\babove\\b|exceed\\w*",
        "最少|少于|不到|以下|至少|less than|at least|\\bunder\\b|\\bbelow\\b",
    ),
    (
        "size",
        "最大|太大|偏大|大一?[点码号]|too big|too large|larger|bigger|\\blarge\\b",
        "最小|太小|偏小|小一?[点码号]|too small|smaller|\\bsmall\\b",
    ),
    (
        "time",
        "提前|提早|事先|之前|以前|前(?=能|可|怎|要|会|多|是|需|退|取|改|还)|\\bbefore\\b|\\bearl(?:y|ier)\\b"
        "|in advance|prior to|beforehand",
        "延后|延迟|推迟|逾期|过期|晚[点了些]|之后|以后|[货款单期装封]后|迟|\\bafter\\b|\\blater?\\b|overdue"
        "|expired|past due",
    ),
    ("speed", "加快|快[点些]|加急|faster|express|expedit\\w*|speed up", "放慢|慢[点些]|slower|slow down"),
    ("switch", "\\bon\\b(?=$|[?.!])", "\\boff\\b(?=$|[?.!])"),
    (
        "place",
        "国内|境内|大陆|本地|同城|domestic\\w*|\\blocal(?:ly)?\\b|within the country",
        "国外|境外|海外|国际|外地|异地|international\\w*|abroad|overseas|foreign",
    ),
    ("card", "信用卡|credit card", "储蓄卡|借记卡|debit card"),
    (
        "customer",
        "个人|personal|private account|individual",
        "企业|公司|对公|商家|商户|business|company|corporate|merchant",
    ),
    ("side", "买家|收件|收货人|收款人|buyer|recipient|receiver|payee", "卖家|寄件|发件|付款人|seller|sender|payer"),
    ("way", "收入|转入|流入|incoming|inbound|\\breceived\\b", "支出|转出|流出|outgoing|outbound|\\bsent\\b"),
    ("sex", "男|\\bmen'?s?\\b|\\bmale\\b|boys?", "女|\\bwomen'?s?\\b|female|girls?"),
    ("heat", "热|加热|\\bhot\\b|\\bwarm\\b|heat", "冷|冰|\\bcold\\b|\\biced?\\b|chilled"),
    (
        "age",
        "新(?!手(?!机)|人|疆|闻|增|建|浪)|\\bnew\\b",
        "旧|老(?!板|师|家|公|婆|是|人)|原来的|\\bold\\b|previous|former",
    ),
    ("order", "第一|首(?:次|单|期|付|月|年)|\\bfirst\\b", "最后|末(?:次|期)|尾款|\\blast\\b|\\bfinal\\b"),
    (
        "whole",
        "全部|全额|整单|整个|\\ball\\b|\\bwhole\\b|entire|\\bfull(?:y)?\\b",
        "部分|一部分|其中|\\bpart(?:s|ial|ially|ly)?\\b|\\bsome\\b",
    ),
    ("mode", "自动|automatic\\w*|\\bauto\\b", "手动|主动|manual\\w*"),
    ("place of sale", "线上|网上|网店|\\bonline\\b|website", "线下|门店|实体店|柜台|offline|in[- ]store|branch"),
    ("working", "工作日|weekdays?|working days?", "周末|节假日|weekends?|holidays?"),
    ("interest", "本金|principal", "利息|interest"),
    ("card form", "实体卡|physical", "虚拟卡|virtual|电子卡"),
    ("quality", "正品|genuine|authentic", "假货|假的|fake|counterfeit"),
    ("invoice", "专票|专用发票|增值税|\\bvat\\b", "普票|普通发票"),
    ("temperature of trade", "收货|receiving", "发货|shipping"),
    ("entrance", "\\benter\\b|入口|进入", "\\bexit\\b|出口|离开"),
    ("loss", "丢|不见了|\\blost\\b|missing|stolen", "坏|破损|碎|\\bbrok\\w+|damaged?\\b|cracked"),
    ("truth", "\\bwith\\b(?! my| the)|含|包含|\\binclud\\w+", "\\bwithout\\b|不含|不包含|exclud\\w+"),
)

#: Products, services and banks that a Chinese question names; what is Latin counts as a name anyway. What belongs to
#: a wider one, and is named together with it, says the same without it: 支付宝花呗 is 花呗.
NAMES: dict[str, str] = {
    "花呗": "支付宝",
    "借呗": "支付宝",
    "余额宝": "支付宝",
    "芝麻信用": "支付宝",
    "相互宝": "支付宝",
    "蚂蚁森林": "支付宝",
    "支付宝": "",
    "微粒贷": "微信",
    "零钱通": "微信",
    "理财通": "微信",
    "微信": "",
    "白条": "京东",
    "金条": "京东",
    "京东": "",
    "淘宝": "",
    "天猫": "",
    "拼多多": "",
    "抖音": "",
    "快手": "",
    "美团": "",
    "饿了么": "",
    "闲鱼": "",
    "唯品会": "",
    "苏宁": "",
    "小红书": "",
    "微博": "",
    "小米": "",
    "华为": "",
    "苹果": "",
    "三星": "",
    "荣耀": "",
    "顺丰": "",
    "圆通": "",
    "中通": "",
    "申通": "",
    "韵达": "",
    "极兔": "",
    "邮政": "",
    "百度": "",
    "高德": "",
    "滴滴": "",
    "工商银行": "",
    "工行": "",
    "建设银行": "",
    "建行": "",
    "农业银行": "",
    "农行": "",
    "中国银行": "",
    "中行": "",
    "招商银行": "",
    "招行": "",
    "交通银行": "",
    "交行": "",
    "浦发": "",
    "平安": "",
    "微众银行": "",
    "银联": "",
    "优惠券": "",
    "红包": "",
    "积分": "",
    "会员": "",
    "礼品卡": "",
    "发票": "",
    "定金": "",
    "押金": "",
    "运费": "",
    "邮费": "",
    "手续费": "",
    "利息": "",
    "额度": "",
    "密码": "",
    "手机号": "",
    "银行卡": "",
    "身份证": "",
    "地址": "",
    "账单": "",
    "账号": "",
    "验证码": "",
    "快递": "",
    "订单": "",
    "绿茶": "",
    "红茶": "",
    "乌龙": "",
    "普洱": "",
    "白茶": "",
    "花茶": "",
    "北京": "",
    "上海": "",
    "广州": "",
    "深圳": "",
    "香港": "",
    "澳门": "",
    "台湾": "",
    "新疆": "",
    "西藏": "",
    "美国": "",
    "日本": "",
    "欧洲": "",
    "韩国": "",
    "新加坡": "",
}

#: Names whose absence on one side says little: 快递几天到 is 几天到, 怎么查订单物流 is 怎么查物流.
COMMON_NAMES = frozenset(
    (
        *(
            "快递",
            "订单",
            "账号",
            "会员",
            "额度",
            "银行卡",
            "手机号",
            "地址",
            "账单",
            "优惠券",
            "红包",
            "积分",
            "礼品卡",
        ),
        *("发票", "定金", "押金", "运费", "手续费", "利息", "密码", "身份证", "验证码"),
    )
)

#: Spellings of one name.
SAME_NAME = {
    "邮费": "运费",
    "iphone": "苹果",
    "工行": "工商银行",
    "建行": "建设银行",
    "农行": "农业银行",
    "中行": "中国银行",
    "招行": "招商银行",
    "交行": "交通银行",
    "wechat": "微信",
    "weixin": "微信",
    "alipay": "支付宝",
    "taobao": "淘宝",
    "tmall": "天猫",
    "jd": "京东",
    "huawei": "华为",
    "apple": "苹果",
    "xiaomi": "小米",
    "samsung": "三星",
    "wi-fi": "wifi",
    "e-mail": "email",
    "mails": "email",
    "pwd": "密码",
    "password": "密码",
    "vip": "会员",
}

#: English words for things that a question turns on, in groups of one meaning; two questions about different ones
#: are different: "What is the exchange fee?", "What is the top-up limit?".
THINGS: dict[str, str] = {
    "fee": "\\bfees?\\b|\\bcharges?\\b|\\bcommission\\b",
    "limit": "\\blimits?\\b",
    "rate": "\\brates?\\b",
    "balance": "\\bbalance\\b",
    "statement": "\\bstatements?\\b|\\bbills?\\b",
    "pin": "\\bpin\\b|\\bpasscode\\b",
    "password": "\\bpasswords?\\b",
    "address": "\\baddress(?:es)?\\b",
    "phone": "\\bphone\\b|\\bmobile\\b",
    "email": "\\be-?mails?\\b",
    "invoice": "\\binvoices?\\b",
    "receipt": "\\breceipts?\\b",
    "warranty": "\\bwarrant(?:y|ies)\\b|\\bguarantees?\\b",
    "coupon": "\\bcoupons?\\b|\\bvouchers?\\b|\\bpromo(?: ?codes?)?\\b|\\bdiscounts?\\b",
    "points": "\\bpoints\\b|\\brewards?\\b",
    "card": "\\bcards?\\b",
    "account": "\\baccounts?\\b",
    "insurance": "\\binsurance\\b",
    "tax": "\\btax(?:es)?\\b|\\bcustoms\\b|\\bduty\\b",
    "size": "\\bsizes?\\b",
    "colour": "\\bcolou?rs?\\b",
    "subscription": "\\bsubscriptions?\\b|\\bmembership\\b",
    "gift card": "\\bgift cards?\\b",
    "visa": "\\bvisa\\b",
    "mastercard": "\\bmaster ?card\\b",
    "passport": "\\bpassports?\\b",
}
