"""How good each place between two code points is for a cut: the kinds of boundaries that the chunker knows.

Whitespace goes to what stands before it, so a sentence's rank holds for the place behind its full stop and for those
behind each blank or line break that follows: a chunk takes as many of them as fit. Markdown is read line by line, as
far as cutting needs it.

    PARAGRAPH  a blank line, also of a quotation, or U+2029
    HEADING    before a heading, of either kind
    ITEM       before a list item; around a code fence or table, and between the lines of one that is over the limit
    SENTENCE   after 。！？； and their like, and after . ! ? ; … where a sentence can end
    LINE       at any other line break
    CLAUSE     after ，、：— and after , : before a blank; after a dot before a lower-case letter; also right after a
               heading, which belongs to what follows
    WORD       at blanks, and next to an ideograph or kana unless punctuation clings there
    GRAPHEME   between grapheme clusters
    INSIDE     within a cluster, or within a code fence or table that fits the limit: never cut if avoidable
"""

INSIDE, GRAPHEME, WORD, CLAUSE, LINE, SENTENCE, ITEM, HEADING, PARAGRAPH = range(9)


def lift(places: bytearray, first: int, last: int, rank: int) -> None:
    """Puts the places `first` to `last`, both included, to at least this rank."""
    for at in range(first, last + 1):
        places[at] = max(places[at], rank)


def lower(places: bytearray, first: int, last: int, rank: int) -> None:
    """Puts the places `first` to `last`, both included, to at most this rank."""
    for at in range(first, last + 1):
        places[at] = min(places[at], rank)
