"""An annotator's sentence as an instruction: ``#C C picks up the cup`` becomes ``pick up the cup``.

A small set of rules for English, no parser: tags and the subject go, the verb of each clause becomes an imperative.
What no rule covers stays as it was written. The tags are those of Ego4D: ``#C`` is said of the wearer, ``#O`` of
others.
"""

import re
from typing import NamedTuple

_TAG = re.compile(r"#\s*(c|o|summary)\b", re.IGNORECASE)
_UNSURE = re.compile(r"#\s*unsure\b", re.IGNORECASE)
_SUBJECT = re.compile(
    r"^(?:c|(?:the|a)\s+(?:camera[ -]?wearer|person|woman|man|lady|human|user)|the camera (?:wearer|user)|"
    r"camera[ -]?wearer|person|someone|he|she|they|i)\s+",
    re.IGNORECASE,
)
_OTHERS = re.compile(r"^(?:a |the |another )?(?:man|woman|person|lady|boy|girl|child)\s+[a-z0-9]\b", re.IGNORECASE)
_IRREGULAR = {
    **{"has": "have", "is": "be", "are": "be", "does": "do", "goes": "go", "focuses": "focus", "ties": "tie"},
    **{"lies": "lie", "dies": "die", "unties": "untie", "tests": "test", "axes": "axe", "gases": "gas"},
}
_VERB_LIST = """
add adjust align apply arrange attach bake beat bend blend boil break bring brush carry catch change check chop clean
clear climb close collect come connect cook cool count cover crack crush cut detach dig dip disconnect distribute
divide draw drag drain drill drink drop dry dust eat empty examine fasten feed feel fetch fill finish fix flatten flip
focus fold follow form freeze fry gather get give glue go grab grate grease grind grip hammer hand hang have hit hold
insert inspect iron join keep knead knit knock lay lead lean leave lift light load lock look loosen lower make mark
mash measure melt mix mop move nail open operate organise organize pack paint pass paste pat peel pick pin pinch place
plant play plug point polish pop position pour prepare press pull pump push put raise reach read recline release
remove repair replace rest return rinse rip roll rotate rub sand saw scan scoop scrape screw scrub season select
separate serve set sew shake sharpen shift shovel show shuffle shut sieve sit skip slice slide smell smooth soak sort
split spray spread sprinkle squeeze stack stand start steam stick stir stop store straighten stretch strip stroke
support swap sweep swing switch take tap taste taste tear throw tie tighten tilt touch trim turn twist undo unfold
unlock unplug unroll unscrew untie unwrap use wait walk wash water watch wear weigh wet wipe wrap write
"""
_VERBS = frozenset(_VERB_LIST.split())
"""Base forms of what hands do: the verb classes of EPIC-KITCHENS-100 and frequent verbs of Ego4D's narrations."""

_AFTER_VERB_LIST = """
the a an it them its his her their this that these those another some all one two both each more up down in into on
onto off out over with from to at away back around through together apart against under
"""
_AFTER_VERB = frozenset(_AFTER_VERB_LIST.split())
_JOINS = frozenset({"and", "then", "while", "before"})
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*|[^A-Za-z\s]+|\s+")


class Wording(NamedTuple):
    """The instruction, or why the sentence cannot be one (then ``text`` is empty)."""

    text: str
    refusal: str = ""


def instruction_of(sentence: str) -> Wording:
    """Clean one sentence. What was written stays the caller's; this only reads it."""
    text = " ".join(sentence.split())
    tags = {match.group(1).lower() for match in _TAG.finditer(text)}
    if "o" in tags and "c" not in tags:
        return Wording("", f"{sentence!r} is about somebody else (#O), whose hands the camera does not follow")
    if _UNSURE.search(text):
        return Wording("", f"{sentence!r} is marked #unsure: the annotator could not tell what is done or with what")
    if "summary" in tags:
        return Wording("", f"{sentence!r} is a summary of minutes, not one action")
    text = _TAG.sub(" ", text)
    text = " ".join(text.split()).strip(" .,;:-_")
    if _OTHERS.match(text):
        return Wording("", f"{sentence!r} is about somebody else, whose hands the camera does not follow")
    subject = _SUBJECT.match(text)
    while _SUBJECT.match(text):
        text = _SUBJECT.sub("", text, count=1)
    text = re.sub(r"^(?:(?:and|then)\s+)+", "", text, flags=re.IGNORECASE)
    if not re.search(r"[A-Za-z]{2}", text):
        return Wording("", f"{sentence!r} holds no words about an action")
    return Wording(_decapitalised(_imperative(text, bool(subject))))


def _imperative(text: str, has_subject: bool) -> str:
    """Verbs of the first clause and of those joined to it, without their third person."""
    parts = _WORD.findall(text)
    words = [number for number, part in enumerate(parts) if part[0].isalpha()]
    due, sure = True, has_subject
    for place, number in enumerate(words):
        word = parts[number].lower()
        following = parts[words[place + 1]].lower() if place + 1 < len(words) else ""
        if due and (word.endswith("ly") or word in _JOINS):
            continue
        if due:
            parts[number], due = _base_form(parts[number], following, sure), False
            if not parts[number] and number + 1 < len(parts):  # "is picking": the helper goes, its verb is next
                parts[number + 1], due = "", True
            continue
        comma = "," in "".join(parts[words[place] + 1 : words[place + 1]]) if following else False
        due, sure = word in _JOINS or comma, False
    return "".join(parts).strip()


def _base_form(word: str, following: str, sure: bool) -> str:
    """``picks`` -> ``pick``. A word that only may be a verb changes when it is a known one and something follows it.

    Args:
        sure: the word stands after the subject, so it is the verb, known or not.
    """
    low = word.lower()
    if low in ("is", "are") and following.endswith("ing"):
        return ""
    if low.endswith("ing") and (base := _of_gerund(low)):
        return base
    base = third_person_to_base(low)
    if base == low:
        return word
    return base if sure or (base in _VERBS and following in _AFTER_VERB) else word


def third_person_to_base(verb: str) -> str:
    """``carries`` -> ``carry``, ``washes`` -> ``wash``, ``closes`` -> ``close``; other words stay."""
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if not verb.endswith("s") or verb.endswith(("ss", "us", "is")) or len(verb) < 4:
        return verb
    if verb.endswith("ies"):
        return verb[:-3] + "y"
    if verb.endswith(("sses", "shes", "ches", "xes", "zzes", "oes")) and verb[:-1] not in _VERBS:
        return verb[:-2]
    return verb[:-1]


def _of_gerund(word: str) -> str:
    """``cutting`` -> ``cut``, ``placing`` -> ``place``; empty for words that are no known verb."""
    stem = word[:-3]
    forms = (stem, stem + "e", stem[:-1] if len(stem) > 2 and stem[-1] == stem[-2] else stem)
    return next((form for form in forms if form in _VERBS), "")


def _decapitalised(text: str) -> str:
    first = text.split(" ", 1)[0]
    return text if len(first) > 1 and first.isupper() else text[:1].lower() + text[1:]
