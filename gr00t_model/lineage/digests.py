"""The digest of a folder with a model, and whether its files are still the recorded ones. No torch."""

import re
from pathlib import Path

from gr00t_data.disk import digest_json
from gr00t_data.integrity import IntegrityError, digests_of, require_intact

METRICS = "metrics.json"
_NAMED = re.compile(r"-([0-9a-f]{16})$")


def model_digest(folder: Path) -> str:
    """SHA-256 (hex) over names and bytes of all files but the record of their digests and ``metrics.json``, which tells
    how the run went.

    So a run that was interrupted, and needed other memory in the end, leaves the checkpoint of one that was not.
    """
    return digest_json(digests_of(folder, (METRICS,)))


def digest_of_name(folder: Path) -> str | None:
    """How the digest of a checkpoint begins by the name that ``publish`` gave it; None for other names."""
    named = _NAMED.search(folder.resolve().name)
    return named[1] if named else None


def require_unchanged(folder: Path, *, asked: bool = False) -> bool:
    """Compare a model's files with what was recorded of them: in the folder, and by the digest in the name that
    ``publish`` gave it.

    Args:
        asked: hash them all, whatever was hashed before: for what is evaluated, or leaves the house.

    Returns:
        whether anything had been recorded.

    Raises:
        IntegrityError: a file is not the one that was recorded.
    """
    recorded = require_intact(folder, asked=asked)
    named = digest_of_name(folder)
    if named and (found := model_digest(folder)[:16]) != named:
        raise IntegrityError(
            f"{folder}: its files have digest {found}, its name says {named}; a file was changed or added: copy the "
            "folder again from where it was made, or export the run again"
        )
    return recorded or named is not None
