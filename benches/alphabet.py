"""Characters and syllables that the inputs are made of, and how often each comes."""

import random
from itertools import accumulate

# The commonest characters of written Chinese, roughly in order: they make up half of any text.
COMMON = (
    "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学么之都好"
    "看起发当没成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给名法间斯"
    "知世什两次使身者被高已亲其进此话常与活正感见明问力理尔点文几定本公特做外孩相西果走将月实向声车全信重机工物气每"
)

# Characters that some filter takes for others: numerals and what sounds like them, variants. Without them a text is
# clean for the filters that fold and for those that don't.
FOLDED = "一么什两八百参洞二覆钩拐藉京九俩六陌七漆千三十四抬万五亿兆著壹贰叁肆伍陆柒捌玖拾佰仟零乾"

# The characters of level 1 of GB 2312, that is: those in daily use.
LEVEL_ONE = "".join(
    character
    for row in range(0xB0, 0xD8)
    for cell in range(0xA1, 0xFF if row < 0xD7 else 0xFA)
    if (character := bytes((row, cell)).decode("gb2312")) not in FOLDED
)

ONSETS = (
    "b",
    "c",
    "ch",
    "d",
    "f",
    "g",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "qu",
    "r",
    "s",
    "sh",
    "st",
    "t",
    "tr",
    "v",
    "w",
    "z",
)
VOWELS = ("a", "ai", "e", "ea", "ee", "i", "ia", "o", "oa", "ou", "u", "y")
CODAS = ("", "", "", "l", "m", "n", "nd", "ng", "r", "rt", "s", "st", "t", "x")

COMMON_ENGLISH = (
    "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but "
    "not what all were we when your can said there use an each which she do how their if will up other about out "
    "many then them these so some her would make like him into time has look two more write go see number no way "
    "could people my than first water been call who its now find long down day did get come made may part over new "
    "sound take only little work know place year live me back give most very after thing our just name good sentence "
    "man think say great where help through much before line right too mean old any same tell boy follow came want "
    "show also around form three small set put end does another well large must big even such because turn here why "
    "ask went men read need land different home us move try kind hand picture again change off play spell air away "
    "animal house point page letter mother answer found study still learn should order parcel refund invoice coupon"
)
ENGLISH = COMMON_ENGLISH.split()

EMOJI = "😀😂🥰😭👍🙏🎉🔥💯🌹🚀🎁📦💰🧧🐼🍜🥢🏮🀄"


def chinese_chooser(random_: random.Random) -> "Chooser":
    """Half of the characters from the common ones (falling off with their rank), half from those in daily use."""
    common = "".join(character for character in COMMON if character not in FOLDED)
    weights = [1 / (rank + 8) for rank in range(len(common))]
    scale = len(LEVEL_ONE) / sum(weights)
    return Chooser(random_, common + LEVEL_ONE, [weight * scale for weight in weights] + [1.0] * len(LEVEL_ONE))


class Chooser:
    """Draws characters with given weights."""

    def __init__(self, random_: random.Random, characters: str, weights: list[float]) -> None:
        self._random = random_
        self._characters = characters
        self._sums = list(accumulate(weights))

    def __call__(self, count: int) -> str:
        return "".join(self._random.choices(self._characters, cum_weights=self._sums, k=count))


def latin_word(random_: random.Random) -> str:
    """A made-up word of two to four syllables, as names of shops, drugs and swindles are."""
    syllables = random_.choice((2, 2, 3, 3, 4))
    return "".join(random_.choice(ONSETS) + random_.choice(VOWELS) + random_.choice(CODAS) for _ in range(syllables))
