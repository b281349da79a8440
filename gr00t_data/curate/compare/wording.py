"""Instructions that few episodes have: typing errors of usual words, and texts of another task than the motion.

Both need the store as evidence: a word is misspelt only beside the usual one, and an instruction is out of place only
where the episode moves as those do that say something else.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.compare.instruction_match import FUNCTION_WORDS, motion_features, words_of
from gr00t_data.curate.copies.duplicates import Contents
from gr00t_data.curate.copies.fingerprints import Fingerprint
from gr00t_data.curate.finding import Finding

_FEWEST_USUAL = 3
"""Episodes that must say a word before another one can be a misspelling of it; and five times as many as say that."""
_ENDINGS = ("s", "es", "d", "ed", "r", "er", "y", "ly", "ing")
"""One word with and without is no typing error."""
_SHORTEST, _SHORTEST_ALONE = 4, 6
"""Letters of a misspelt word in a sentence that is known otherwise; and in any other, where a letter too many or too
few, or two exchanged, must be the whole difference."""
_FEWEST_EPISODES, _FEWEST_OF_TASK = 12, 5
_MOST_EPISODES = 5000
"""Of more, the distances of all pairs would fill the memory: nothing is said."""
_RARE_SHARE, _STRANGE_SHARE = 0.03, 0.13
"""Of the episodes: up to which a text is rare, and one without any usual word."""
_USUAL = 2.0
"""Times the median distance to the nearest motions, up to which a motion is usual."""
_NEIGHBOURS = 5
_FORESEEN = 0.9
"""Share of the episodes whose nearest neighbours must say what they say before the motion tells the task."""


def check_wording(contents: Contents) -> Iterator[tuple[int, Finding]]:
    """TEXT-14 and TEXT-15."""
    store = contents.store
    texts = {row.index: row.instruction for row in store.rows if row.instruction.strip()}
    where = f"{store.root}/meta/episodes.jsonl: episode"
    misspelt = misspellings(texts)
    for index, (word, usual) in misspelt.items():
        message = f"{where} {index}: the instruction {texts[index]!r} says {word!r} where others say {usual!r}"
        yield index, TEXT_14.finding(f"{message}; a typing error, if it is not another thing: correct it")
    known = {index: text for index, text in texts.items() if index not in misspelt}
    for index, usual in of_another_task(known, contents.fingerprints).items():
        message = f"{where} {index}: the instruction {texts[index]!r}, but it moves as the episodes that say {usual!r}"
        yield index, TEXT_15.finding(f"{message}; watch the episode, then correct its instruction")


def misspellings(texts: Mapping[int, str]) -> dict[int, tuple[str, str]]:
    """Episode -> (word, the usual word that it misspells)."""
    spoken = {index: words_of(text) for index, text in texts.items()}
    counts = Counter(word for words in spoken.values() for word in words)
    sentences = Counter(spoken.values())
    usual = [word for word, count in counts.items() if count >= _FEWEST_USUAL and len(word) >= _SHORTEST - 1]
    found = {}
    for index, words in spoken.items():
        meant = {word: near for word in words if (near := _meant(word, counts, usual))}
        corrected = tuple(meant.get(word, word) for word in words)
        in_sentence = sentences[corrected] >= _FEWEST_USUAL
        for word, near in meant.items():
            if in_sentence or ((len(word) >= _SHORTEST_ALONE and len(word) != len(near)) or _is_turned(word, near)):
                found.setdefault(index, (word, near))
    return found


def _meant(word: str, counts: Mapping[str, int], usual: Sequence[str]) -> str | None:
    if len(word) < _SHORTEST:
        return None
    near = [other for other in usual if counts[other] >= 5 * counts[word] and _is_near(word, other)]
    return max(near, key=lambda other: counts[other], default=None)


def _is_near(word: str, other: str) -> bool:
    """One letter more, fewer or other (in a long word), or two neighbours exchanged; not a word with an ending."""
    short, long = sorted((word, other), key=len)
    if word == other or (long.startswith(short) and long[len(short) :] in _ENDINGS):
        return False
    if len(short) == len(long):
        differ = [a != b for a, b in zip(word, other, strict=True)]
        return _is_turned(word, other) or (sum(differ) == 1 and len(word) >= _SHORTEST_ALONE)
    return len(long) - len(short) == 1 and any(long[:at] + long[at + 1 :] == short for at in range(len(long)))


def _is_turned(word: str, other: str) -> bool:
    """Whether two neighbouring letters are exchanged, and nothing else."""
    differ = [at for at, (a, b) in enumerate(zip(word, other, strict=False)) if a != b]
    if len(word) != len(other) or len(differ) != 2 or differ[1] != differ[0] + 1:
        return False
    first, second = differ
    return word[first] == other[second] and word[second] == other[first]


def of_another_task(texts: Mapping[int, str], fingerprints: Sequence[Fingerprint]) -> dict[int, str]:
    """Episode -> the instruction of those that it moves as: of rare instructions, and where the motion tells the task.

    Silent where an instruction is rare and the motion is, too; where the words are nearly those of the others; and
    where neighbours in motion do not foresee the instruction. Of several rare ones only those without any word of the
    usual ones are named.
    """
    known = [one for one in fingerprints if one.key[1] in texts]
    said = [" ".join(words_of(texts[one.key[1]])) for one in known]
    counts = Counter(said)
    common = {text for text, count in counts.items() if count >= _FEWEST_OF_TASK}
    if not _FEWEST_EPISODES <= len(known) <= _MOST_EPISODES or not common:
        return {}
    apart = _distances(known)
    rarely = max(1, _RARE_SHARE * len(known))
    usual_words = {word for text in common for word in text.split()} - FUNCTION_WORDS
    seldom = max(1, _STRANGE_SHARE * len(known))
    strange = np.array([counts[text] <= seldom and not usual_words & {*text.split()} for text in said])
    apart[:, strange] = np.inf  # several of them say nothing about each other
    nearest = np.argsort(apart, axis=1)[:, :_NEIGHBOURS]
    reach = np.take_along_axis(apart, nearest, axis=1).mean(1)
    of_common = np.array([text in common for text in said])
    around = [[said[other] for other in row] for row in nearest]
    foreseen = np.array([row.count(own) * 2 > _NEIGHBOURS for row, own in zip(around, said, strict=True)])
    tells = len(common) > 1 and foreseen[of_common].mean() >= _FORESEEN
    usual_reach = _USUAL * float(np.median(reach[of_common]))
    found = {}
    for at, one in enumerate(known):
        other = around[at][0]
        alone = strange[at] or (counts[said[at]] <= rarely and len(counts) == len(common) + 1)
        if not (tells or alone) or other not in common or _says_nearly(said[at], other):
            continue
        if set(around[at]) == {other} != {said[at]} and reach[at] <= usual_reach:
            found[one.key[1]] = next(texts[k.key[1]] for k, text in zip(known, said, strict=True) if text == other)
    return found


def _distances(known: Sequence[Fingerprint]) -> np.ndarray:
    """float64 [N, N]: between motions, each feature in its standard deviations; infinite to itself."""
    features = np.stack([motion_features(one.motion) for one in known])
    centred = features - features.mean(0)
    scale = centred.std(0)
    kept = scale > 1e-3 * max(scale.max(), 1e-12)
    rows = centred[:, kept] / scale[kept] / np.sqrt(max(int(kept.sum()), 1))
    lengths = (rows**2).sum(1)
    apart = np.sqrt(np.maximum(lengths[:, None] + lengths[None] - 2 * rows @ rows.T, 0))
    np.fill_diagonal(apart, np.inf)
    return apart


def _says_nearly(text: str, other: str) -> bool:
    """Whether half of the words that say something are the same: the request in other words."""
    one, two = ({*words.split()} - FUNCTION_WORDS for words in (text, other))
    return bool(one & two) and 2 * len(one & two) >= min(len(one), len(two))


TEXT_14, TEXT_15 = Look(Contents, check_wording, 3).finds(
    Check("TEXT-14", "warning", "a usual word misspelt", "one task counts as two, and rare tokens are learnt"),
    Check("TEXT-15", "warning", "a rare instruction over a usual motion",
          "the policy learns wrong words for what it does"),
)  # fmt: skip
