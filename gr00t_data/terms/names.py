"""Names of people, datasets and videos: compared as people read them, kept as they were written."""

import difflib
import unicodedata
from collections.abc import Iterable

_CLOSE, _SHOWN = 0.4, 5
"""How like a name must be to be shown (as difflib measures it), and how many are."""


def comparable(name: str | None) -> str:
    """A name for comparison: canonical composition (NFC), case folded, blanks at the ends and doubled ones left out.

    Letters composed or decomposed, ``p07`` and ``P07``, and a trailing blank name the same; signs that nobody sees
    (zero-width ones, byte order marks) count for nothing. Empty for None.
    """
    seen = "".join(" " if one.isspace() else one for one in name or "" if one.isspace() or not _invisible(one))
    folded = unicodedata.normalize("NFD", seen).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def _invisible(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cf")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The known names that are most like a name, as they are written, the nearest first."""
    wanted, folded = comparable(name), {comparable(one): one for one in sorted(known)}
    inside = [one for one in folded if wanted and (wanted in one or one in wanted)]
    like = difflib.get_close_matches(wanted, list(folded), n=_SHOWN, cutoff=_CLOSE)
    return [folded[one] for one in dict.fromkeys([*like, *inside])][:_SHOWN]
