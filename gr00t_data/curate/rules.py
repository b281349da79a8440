"""The rules: one hash of everything that decides what the checks find. Nothing heavy is imported here."""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gr00t_data.disk import digest_file, digest_json
from gr00t_data.embodiment import Embodiment

_NOT_RULES = ("index", "rules", "figures", "baseline", "report", "repair", "gate", "hand_sheet", "withdrawn")
"""Modules whose name is one of these, or begins with one and an underscore, do not decide what is found."""


CHECKING_LIBRARIES = ("av", "imagehash", "numpy", "opencv-python-headless", "pyarrow", "scipy")
"""Distributions whose version can change what is found. An index says with which it was made."""


def checking_libraries() -> dict[str, str]:
    """``CHECKING_LIBRARIES`` -> version, as installed."""
    return {name: installed_version(name) for name in CHECKING_LIBRARIES}


@lru_cache(maxsize=64)
def installed_version(name: str) -> str:
    """Version of an installed distribution, or ``not installed``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def rules_digest(embodiment: Embodiment) -> str:
    """SHA-256 over the code of the checks, thresholds included, and the embodiment."""
    return digest_json({"code": checks_digest(), "embodiment": embodiment.digest})


@lru_cache(maxsize=1)
def checks_digest() -> str:
    """SHA-256 over the code of the checks, thresholds included, as it is when it is first asked for."""
    here = Path(__file__).parent
    rules = sorted(path for path in here.glob("*.py") if not _is_no_rule(path.stem))
    rules.append(here.parent / "video_survey.py")
    return digest_json({path.name: digest_file(path) for path in rules})


def _is_no_rule(stem: str) -> bool:
    return any(stem == name or stem.startswith(f"{name}_") for name in _NOT_RULES)


def index_name(store_digest: str, embodiment: Embodiment) -> str:
    """File name of the index of a store under the rules of today."""
    return f"{store_digest[:16]}-{rules_digest(embodiment)[:8]}.json"
