"""Writing a store, safe to kill at any instant.

An episode exists once its record stands in ``.pending/``; each file takes its name in one rename after an fsync.
Sealing writes the tables, hashes every file and, last of all, writes ``meta/seal.json``.
"""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from pydantic import BaseModel, ConfigDict, ValidationError

from gr00t_data.beside import sweep
from gr00t_data.disk import digest_json, path_inside, replacing, write_json, write_json_lines, write_text
from gr00t_data.embodiment.modality import modality_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.integrity import IntegrityError, first_fault, read_sealed, write_sealed
from gr00t_data.seal import SEAL, Seal, store_digests
from gr00t_data.store import layout
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource, Facts, Kind, Refusal, StoreAbout, StoreSource
from gr00t_data.store.store import ABOUT, PENDING, EpisodeStore, StoreError
from gr00t_data.store.texts import each_text
from gr00t_data.video import files as video
from gr00t_data.video.packets import Packets, probe


class Written(BaseModel):
    """An episode that is in the store being written; a file of ``.pending/``.

    Attributes:
        sizes: camera name -> (height, width) in pixels.
        codecs: camera name -> codec.
        columns: further columns, name -> dtype.
        widths: values a row of those that have several.
        stats: its line of ``episodes_stats.jsonl``.
    """

    model_config = ConfigDict(frozen=True)

    episode_index: int
    length: int
    tasks: tuple[str, ...]
    success: bool | None
    source: EpisodeSource
    sizes: dict[str, tuple[int, int]]
    codecs: dict[str, str] = {}
    columns: dict[str, str] = {}
    widths: dict[str, int] = {}
    stats: Facts


class StoreWriter:
    """A store being written: ``append`` episodes, then ``seal``. Made by ``create``."""

    def __init__(self, root: Path, embodiment: Embodiment, about: StoreAbout) -> None:
        if (root / SEAL).is_file():
            raise StoreError(f"{root}: is sealed and cannot be changed; write to another name")
        self.pending = root / PENDING
        if root.is_dir() and any(root.iterdir()) and not self.pending.is_dir():
            raise StoreError(f"{root}: exists and is not a store begun by this program; choose another folder")
        self.root = root
        self.embodiment = embodiment
        self.about = about
        self.pending.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.pending / "lock")
        if (root / SEAL).is_file():  # by another process, since it was looked at
            shutil.rmtree(self.pending)
            raise StoreError(f"{root}: was sealed just now and cannot be changed; write to another name")
        for folder in (root, *root.rglob("*/")):
            if folder.is_dir():  # it may have been swept just now
                sweep(folder)
        remedy = f"delete {root} and begin anew"
        self.records = [_written(path, remedy) for path in sorted(self.pending.glob("*.json"))]

    @classmethod
    def create(
        cls,
        root: Path | str,
        embodiment: Embodiment,
        *,
        kind: Kind,
        licence: str,
        source: StoreSource = StoreSource(),
        absent: Sequence[str] | None = None,
        slot: int | None = None,
    ) -> "StoreWriter":
        """Start a store, or go on with one that was not sealed.

        Args:
            absent: what no sensor recorded although the rows have a column for it: ``state``, or ``state.<part>``. The
                zeros there are masked in training. None: all of the state for the kind ``human``, else nothing.
            slot: slot of the model that its episodes train in place of the embodiment's; None: the embodiment's.

        Raises:
            StoreError: the folder holds a sealed store, or something else.
        """
        said = {"embodiment": embodiment.name, "kind": kind, "licence": licence, "source": source}
        said |= {name: value for name, value in (("absent", absent), ("slot", slot)) if value is not None}
        return cls(Path(root), embodiment, StoreAbout.model_validate(said))

    def __len__(self) -> int:
        return len(self.records)

    def claim(self, made_of: object, what: str) -> None:
        """Note what the store is made of, so that a later call goes on with that and nothing else. While it holds no
        episode it may be begun anew with something else.

        Args:
            made_of: JSON-able.
            what: that in words, for the message.

        Raises:
            StoreError: the store holds episodes that were made of something else.
        """
        path, digest = self.pending / "made_of", digest_json(made_of)
        if path.is_file() and path.read_text("utf-8") == digest:
            return
        if self.records:
            raise StoreError(
                f"{self.root}: was begun with another {what} and holds {len(self)} episodes; begin it "
                "anew (--replace, or delete the folder), or take another name (--name)"
            )
        for notes in (path for path in self.pending.iterdir() if path.is_dir()):
            shutil.rmtree(notes)
        write_text(path, digest)

    def append(self, episode: Episode) -> int:
        """Write one episode; it is in the store when this returns.

        Returns:
            its episode number.

        Raises:
            StoreError: dimensions or cameras differ from the embodiment.
        """
        self._check_fits(episode)
        index = len(self.records)
        texts = each_text(episode.instruction, episode.text_changes)
        tasks = list(dict.fromkeys([*(text for record in self.records for text in record.tasks), *texts]))
        first_row = sum(record.length for record in self.records)
        table = layout.episode_table(episode, self.embodiment, index=index, first_row=first_row, tasks=tasks)
        videos = {name: self._write_video(index, name, frames) for name, frames in episode.video.items()}
        data = path_inside(self.root, layout.DATA_PATH, **self._place(index))
        with replacing(data) as temporary:
            parquet.write_table(table, temporary, compression="snappy")
        record = Written(
            episode_index=index,
            length=len(episode),
            tasks=texts,
            success=episode.success,
            source=episode.source,
            sizes={name: (facts.height, facts.width) for name, facts in videos.items()},
            codecs={name: facts.codec for name, facts in videos.items()},
            columns={name: str(values.dtype) for name, values in episode.columns.items()},
            widths={name: values.shape[1] for name, values in episode.columns.items() if values.ndim == 2},
            stats=layout.episode_stats(table),
        )
        said = record.model_dump(exclude=set() if record.widths else {"widths"})
        write_sealed(self.pending / f"{index:06d}.json", said | {"source": record.source.facts()})
        self.records.append(record)
        return index

    def seal(self, refused: Sequence[Refusal] | None = None) -> EpisodeStore:
        """Write the tables and the content hash. From now on the store is immutable.

        Args:
            refused: what was left out, for ``about.source``; None says nothing of it.

        Raises:
            StoreError: no episode was appended.
        """
        if not self.records:
            raise StoreError(f"{self.root}: has no episode; append at least one before sealing")
        meta = self.root / "meta"
        tasks = list(dict.fromkeys(text for record in self.records for text in record.tasks))
        lengths = [record.length for record in self.records]
        sizes = {name: size for record in self.records for name, size in record.sizes.items()}
        keep = {"episode_index", "tasks", "length", "success"}
        lines = [record.model_dump(include=keep) | {"source": record.source.facts()} for record in self.records]
        write_json_lines(meta / "episodes.jsonl", lines)
        stats = [record.model_dump(include={"episode_index", "stats"}) for record in self.records]
        write_json_lines(meta / "episodes_stats.jsonl", stats)
        write_json_lines(meta / "tasks.jsonl", [{"task_index": i, "task": text} for i, text in enumerate(tasks)])
        codecs = {name: codec for record in self.records for name, codec in record.codecs.items()}
        further = {"columns": self.records[0].columns, "widths": self.records[0].widths}
        info = layout.info(self.embodiment, lengths=lengths, tasks=len(tasks), sizes=sizes, codecs=codecs, **further)
        write_json(meta / "info.json", info)
        write_json(meta / "modality.json", modality_json(self.embodiment, cameras=list(sizes)))
        write_json(meta / "stats.json", layout.dataset_stats(list(self._tables())))
        if refused is not None:
            source = self.about.source.model_copy(update={"refused": tuple(refused)})
            self.about = self.about.model_copy(update={"source": source})
        write_json(self.root / ABOUT, self.about.facts())
        store = seal_folder(self.root)
        self._lock.close()
        return store

    def _tables(self) -> Iterator[pa.Table]:
        for record in self.records:
            path = path_inside(self.root, layout.DATA_PATH, **self._place(record.episode_index))
            yield parquet.ParquetFile(path).read([*layout.MEASURED])

    @staticmethod
    def _place(index: int) -> dict[str, int]:
        return {"episode_chunk": index // layout.CHUNK_EPISODES, "episode_index": index}

    def _check_fits(self, episode: Episode) -> None:
        expected = {"state": self.embodiment.state_dim, "action": self.embodiment.action_dim}
        found = {"state": episode.state.shape[1], "action": episode.action.shape[1]}
        if found != expected:
            raise StoreError(
                f"{self.root}: episode {len(self.records)} has dimensions {found}, "
                f"embodiment {self.embodiment.name!r} has {expected}"
            )
        known = {camera.name for camera in self.embodiment.cameras}
        if unknown := episode.video.keys() - known:
            raise StoreError(f"{self.root}: camera {sorted(unknown)[0]!r} is not one of {sorted(known)}")
        if self.records and (first := self.records[0].columns).keys() != episode.columns.keys():
            raise StoreError(
                f"{self.root}: episode {len(self.records)} has the further columns {sorted(episode.columns)}, "
                f"the first one has {sorted(first)}; all episodes of a store have the same"
            )

    def _write_video(self, index: int, camera: str, frames: np.ndarray | Path) -> Packets:
        key = self.embodiment.camera(camera).column
        path = path_inside(self.root, layout.VIDEO_PATH, video_key=key, **self._place(index))
        if isinstance(frames, Path):
            facts = probe(frames)
            with replacing(path) as temporary:
                shutil.copyfile(frames, temporary)
            return facts
        video.encode(path, frames, self.embodiment.control_hz)
        return probe(path)


def _written(path: Path, remedy: str) -> Written:
    try:
        return Written.model_validate(read_sealed(path, remedy))
    except ValidationError as error:
        raise StoreError(f"{path}: is no record of an episode ({first_fault(error)}); {remedy}") from error
    except IntegrityError as error:
        raise StoreError(str(error)) from error


def _locked(path: Path) -> IO[str]:
    stream = path.open("w")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        stream.close()
        raise StoreError(
            f"{path.parent.parent}: another process is writing this store; wait until it is done"
        ) from error
    return stream


def seal_folder(root: Path, known: Mapping[str, str] = MappingProxyType({})) -> EpisodeStore:
    """Fix the content of ``root``: hash every file and write ``meta/seal.json`` last.

    Args:
        known: relative name -> SHA-256 of files that were hashed while they were written.
    """
    Seal.of(store_digests(root, known)).write(root)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(root / PENDING)
    return EpisodeStore.open(root)
