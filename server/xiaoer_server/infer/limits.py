"""What both sides of the model process hold each other to."""

from __future__ import annotations

#: Texts or pairs in one request; a client splits what is more.
TEXTS = 256

#: Code points of a text. Encoders read at most 512 tokens, so what is cut away would not be seen.
TEXT_CHARS = 8_192

#: Bytes of a head: a thousand intents on 1,024 dimensions need half of it.
HEAD_BYTES = 8 << 20

#: Bytes of a message on the wire: `TEXTS` texts of `TEXT_CHARS` at four bytes, or a head.
MESSAGE_BYTES = max(TEXTS * TEXT_CHARS * 4, HEAD_BYTES) + 65_536
