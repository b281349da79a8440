"""The chain of weights before a checkpoint: bases, embeddings and adapters, and every episode they have seen. No torch.

It travels in the folder, in ``lineage.json``: a checkpoint that was moved, merged or handed on without its bases still
names everything that its weights learned from. What has no record is said to be unknown, and unknown bars.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from gr00t_data.disk import digest_json, read_json, write_json
from gr00t_data.integrity import digest_of, require_intact
from gr00t_data.store.provenance import Kind, Said
from gr00t_data.terms.licences import UNKNOWN
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.section import ConfigError
from gr00t_model.loop.config import RANDOM_BASE

CHAIN = "lineage.json"
NVIDIA_LICENCE = "NSCL v1 as published with nvidia/GR00T-N1.5-3B, to be treated as non-commercial"
OWN_LICENCE = "Apache-2.0 (grounded on pictures of this project's own simulator)"
RANDOM = "none: random weights"


def described_base(base: str, digest: str) -> str:
    """``model.base`` for people: the folder and the first characters of its digest, or that the weights were random."""
    if base in ("", RANDOM_BASE):
        return "random weights, as asked" if base else "random weights"
    return f"{base} (digest {digest[:16]})" if digest else base


class LineageError(ValueError):
    """Nothing is known by that name; the message says what was looked at."""


class SeenEpisode(Said):
    """An episode that a training drew from.

    Attributes:
        store: SHA-256 of its store.
        episode: its number there.
        samples: how often it was drawn.
        instruction: what it was asked to do, where the manifest is not at hand.
        people: (participant, dataset, video) of everybody its record names, so that who withdraws is found in any lake.
    """

    store: str
    episode: int
    kind: Kind
    licence: str
    samples: int
    embodiment: str | None = None
    instruction: str = ""
    people: tuple[tuple[str | None, str | None, str | None], ...] = ()


class Link(Said):
    """Weights that others were made from.

    Attributes:
        what: what they are to those: ``base``, ``embedding``, ``adapter``; further up ``base of NAME``.
        name: of their folder, as it was.
        digest: SHA-256 over names and bytes of their files; empty where nobody wrote it down.
        licence: of the weights themselves, where they are the first of their chain; else it is that of their episodes.
        recorded: whether what they have seen is known. Where it is not, consent and licence are unknown.
        recipe, key: of the run that left them.
        stores: digest -> name of every store that they have seen or held out.
        held_out: (store digest, episode) of what was kept for evaluation.
    """

    what: str
    name: str
    digest: str = ""
    licence: str = ""
    recorded: bool = True
    recipe: str = ""
    key: str = ""
    stores: dict[str, str] = Field(default_factory=dict)
    episodes: tuple[SeenEpisode, ...] = ()
    held_out: tuple[tuple[str, int], ...] = ()


_CHAIN = TypeAdapter(tuple[Link, ...])


def write_chain(folder: Path, links: Iterable[Link]) -> None:
    """Write ``lineage.json``; of weights that came by two ways the nearest entry is kept."""
    kept: dict[str, Link] = {}
    for link in links:
        kept.setdefault(link.digest or f"{link.what} {link.name}", link)
    write_json(folder / CHAIN, {"format": 1, "chain": [link.facts() for link in kept.values()]})


def read_chain(folder: Path) -> tuple[Link, ...]:
    """The chain that a folder holds.

    Raises:
        LineageError: the file cannot be read.
        IntegrityError: a small file of the folder is not the one that was recorded.
    """
    try:
        found = _CHAIN.validate_python(read_json(folder / CHAIN)["chain"])
    except (OSError, KeyError, TypeError, ValueError, ValidationError) as error:
        raise LineageError(f"{folder / CHAIN}: is not a record of what weights were made from ({error})") from error
    require_intact(folder, weights=False)
    return found


def below(links: Iterable[Link], what: str, name: str) -> Iterator[Link]:
    """The chain of ``name`` as seen from what was made from it; bases of a base are bases."""
    for link in links:
        near = " of " in link.what or (what == "base" and link.what == "base")
        yield link if near else link.model_copy(update={"what": f"{link.what} of {name}"})


def folder_digest(folder: Path) -> str:
    """SHA-256 (hex) over names and bytes of every file of a model."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest_json({str(path.relative_to(folder)): digest_of(path) for path in files})


def random_weights(digest: str = "") -> Link:
    """Weights that were drawn, as asked."""
    return Link(what="base", name="random weights", digest=digest, licence=RANDOM)


def unknown(what: str, name: str, digest: str = "") -> Link:
    """Weights of which no record is found: nobody can say who and what they have learned from."""
    return Link(what=what, name=name, digest=digest, licence=UNKNOWN.name, recorded=False)


def root(folder: Path, what: str, digest: str, preset: str = "") -> Link:
    """Weights that came from elsewhere, under the licence that is stated with them or known of them.

    Its own ``license:`` in README.md counts; else what is known of the published model and of the grounded base.
    """
    grounded = OWN_LICENCE if (folder / "grounding.json").is_file() else ""
    published = NVIDIA_LICENCE if preset == "n1_5_3b" or _is_published_size(folder) else ""
    licence = _stated_licence(folder / "README.md") or grounded or published
    if not licence:
        return unknown(what, folder.name, digest)
    return Link(what=what, name=folder.name, digest=digest, licence=licence)


def _is_published_size(folder: Path) -> bool:
    """Whether it is a fine-tune of the published weights: nobody else has trained a model of that size."""
    try:
        return GrootConfig.from_dict(read_json(folder / "config.json")).backbone == GrootConfig().backbone
    except (OSError, ValueError, ConfigError, AttributeError):
        return False


def _stated_licence(readme: Path) -> str | None:
    if not readme.is_file():
        return None
    lines = readme.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [line for line in lines[:80] if line.lower().startswith(("license:", "license_name:"))]
    return found[-1].partition(":")[2].strip() or None if found else None
