"""A base model and an adapter to one full model: what `gr00t merge` runs."""

import shutil
from pathlib import Path

from gr00t_data.disk import claimed, read_json, replacing_folder
from gr00t_data.integrity import require_intact, write_record
from gr00t_model.groot.lora import ADAPTER_BASE, AdapterError, adapter_slots, adapter_tensors, merge_adapter
from gr00t_model.groot.weights.eval_transform import centre_crop_of, write_eval_transform
from gr00t_model.groot.weights.nvidia import load, save
from gr00t_model.lineage.chain import CHAIN, Link, below, folder_digest, read_chain, unknown, write_chain
from gr00t_model.lineage.record import chain_of, links_of
from gr00t_model.training.key import base_digest
from gr00t_model.training.members import merge_tags
from gr00t_model.training.precision import widen

_PREFIX = "base_model.model."


def merge_into(base: Path, adapter: Path, folder: Path) -> None:
    """Write ``base`` with ``adapter`` merged in to ``folder``: config.json, safetensors, the base's tokenizer, and what
    both have seen.

    The parts that the adapter touches are written in float32. A peft adapter that does not name its base is merged
    into any base it fits.

    Raises:
        AdapterError: ``folder`` exists, the adapter cannot be read, or it was made on another base.
        IntegrityError: a file of base or adapter is not the one that was recorded.
        WeightsError: the base cannot be read.
    """
    with claimed(folder):
        if folder.exists():
            raise AdapterError(f"{folder} exists already; name another folder or remove it")
        learned = adapter_tensors(adapter).keys() | adapter_slots(adapter).keys()
        for read in (adapter, adapter.parent, base):  # an adapter of before has its record with its checkpoint
            require_intact(read, asked=True)
        _check_base(base, adapter)
        model = load(base)
        widen(model, {name.removeprefix(_PREFIX) for name in learned})
        merge_adapter(model, adapter)
        with replacing_folder(folder) as temporary:
            save(model, temporary, metadata=merge_tags(model, base, adapter))
            write_chain(temporary, (*_of_adapter(adapter), *links_of(base, "base")))
            # Pictures as the adapter's training had them. One made before that was noted lies in its run's checkpoint.
            write_eval_transform(temporary, centre_crop_of(adapter, adapter.parent, base))
            if (base / "tokenizer").is_dir():
                shutil.copytree(base / "tokenizer", temporary / "tokenizer")
            write_record(temporary)  # last: it names every file


def _of_adapter(adapter: Path) -> tuple[Link, ...]:
    """What an adapter has seen: its own record, that of the checkpoint it lies in, else nobody knows."""
    if (adapter / CHAIN).is_file():
        return read_chain(adapter)
    if (adapter.parent / "train_config.json").is_file():
        own, *before = chain_of(adapter.parent)
        return (own.model_copy(update={"what": "adapter"}), *below(before, "adapter", own.name))
    return (unknown("adapter", adapter.name, folder_digest(adapter)),)


def _check_base(base: Path, adapter: Path) -> None:
    note = adapter / ADAPTER_BASE
    made_on = read_json(note).get("sha256") if note.is_file() else None  # peft's own adapters do not say
    if made_on is not None and made_on != (found := base_digest(base)):
        raise AdapterError(
            f"{adapter} was made on a base with digest {made_on[:16]}, {base} has {found[:16]}; give the folder that "
            "model.base named in the run (its train_config.json says which)"
        )
