"""Text of others shows what it is, wherever it is written."""

import json

import pytest

from gr00t_data.foreign_text import markdown, one_line, printable, printable_json, printable_lines

CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
UNSEEN = "\u200b\u200e\u202a\u202e\u2066\u2069\u2028\u2029\ufeff\u00ad\U000e0041"
HOSTILE = f"pick [/b] \x1b]0;owned\x07 {CONTROLS}{UNSEEN}\udce9 ärger 苹果 🍎"


def test_nothing_that_acts_is_left() -> None:
    assert printable(HOSTILE).isprintable()
    assert printable("a\x1b[31m\x9b2J\u202eb\n\udce9") == "a\\x1b[31m\\x9b2J\\u202eb\\n\\udce9"


def test_letters_and_signs_stay() -> None:
    assert printable("[apple] :apple: ärger 苹果 🍎  two") == "[apple] :apple: ärger 苹果 🍎  two"


def test_only_line_ends_make_lines() -> None:
    assert printable_lines("one\n\ttwo\r\nthree\x85four", "  ") == "one\n  \\ttwo\\r\n  three\\x85four"
    assert one_line(" one\n  two\x1b ") == "one two\\x1b"


@pytest.mark.parametrize("indent", [None, 1])
def test_json_says_the_same(indent: int | None) -> None:
    value = {HOSTILE: [HOSTILE, 1.5]}
    text = printable_json(json.dumps(value, indent=indent, ensure_ascii=False))
    assert json.loads(text) == value and all(line.isprintable() for line in text.split("\n"))


def test_markdown_is_text() -> None:
    said = markdown("a|b <script> [x](javascript:y) `c` *d* _e_ gr1_nano")
    assert said == r"a\|b \<script\> \[x\](javascript:y) \`c\` \*d\* \_e\_ gr1_nano"
