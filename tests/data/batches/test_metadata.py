"""metadata.json of published checkpoints: read, written, and refused with the reason."""

import json
import os
from pathlib import Path

import pytest

from gr00t_data.batches.statistics.metadata import (
    METADATA,
    MetadataError,
    dataset_metadata,
    published_statistics,
    tags_of,
)
from gr00t_data.embodiment.robot import load_embodiment
from tests.data.builders import GR1

PARITY = Path(os.environ.get("GR00T_PARITY", Path(__file__).parents[4] / "shared/parity"))
RECORDED = {
    "transforms_fourier_gr1_arms_waist": ("gr1", "fourier_gr1_arms_waist"),
    "transforms_synth_so100_dualcam": ("so100", "so100_dualcam"),
    "transforms_synth_oxe_droid": ("oxe_droid", None),
    "transforms_synth_agibot_genie1": ("agibot_genie1", None),
    "transforms_synth_unitree_g1_full_body": ("unitree_g1", "unitree_g1_full_body"),
}


def write(folder: Path, content: object) -> Path:
    path = folder / METADATA
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("item", RECORDED)
def test_recorded_metadata_reads_and_writes_back(tmp_path: Path, item: str) -> None:
    path = PARITY / item / "metadata.json"
    if not path.is_file():
        pytest.skip(f"no recorded numbers at {path} (set GR00T_PARITY)")
    name, selection = RECORDED[item]
    robot, content = load_embodiment(name), json.loads(path.read_text())
    tag = content["embodiment_tag"]
    statistics = published_statistics(write(tmp_path, {tag: content}), robot, tag, selection)
    chosen = robot.selection(selection)
    written = dataset_metadata(robot, statistics, chosen.cameras)
    assert set(written) == set(content) and set(written["modalities"]["video"]) == set(content["modalities"]["video"])
    for side, parts in (("state", chosen.state), ("action", chosen.action)):
        for part in parts:
            assert written["statistics"][side][part] == content["statistics"][side][part]
            assert written["modalities"][side][part] == content["modalities"][side][part], (side, part)


def test_sizes_and_rate_come_from_the_store(sources, statistics) -> None:
    store, _ = sources[0]
    video = dataset_metadata(GR1, statistics, ["ego_view"], store)["modalities"]["video"]
    assert video == {"ego_view": {"resolution": [16, 16], "channels": 3, "fps": 20.0}}


def test_what_is_no_metadata_is_named(tmp_path: Path, statistics) -> None:
    with pytest.raises(MetadataError, match=r"metadata\.json does not exist"):
        tags_of(tmp_path)
    write(tmp_path, ["gr1"])
    with pytest.raises(MetadataError, match="expected embodiment tag -> statistics and modalities"):
        tags_of(tmp_path)
    entry = dataset_metadata(GR1, statistics, ["ego_view"])
    del entry["statistics"]["state"]["left_arm"]["q99"]
    (tmp_path / METADATA).write_text(json.dumps({"gr1": entry}))
    with pytest.raises(MetadataError, match=r"statistics of 'gr1' are not whole \(KeyError\('q99'\)\)"):
        published_statistics(tmp_path, GR1)
    entry = dataset_metadata(GR1, statistics, ["ego_view"])
    entry["statistics"]["state"]["left_arm"] = entry["statistics"]["state"]["left_hand"]
    (tmp_path / METADATA).write_text(json.dumps({"gr1": entry}))
    with pytest.raises(MetadataError, match=r"state\.left_arm has 6 dimensions, 'gr1' says 7"):
        published_statistics(tmp_path, GR1)
