"""Licences of weights: a commercial run refuses what its base has seen; checkpoints say what binds them."""

import json
from pathlib import Path

import pytest

from gr00t_data.disk import read_json
from gr00t_data.lake import Lake
from gr00t_data.stages.mix import measure_statistics, mix
from gr00t_data.stages.settings import MixtureSettings, Shares
from gr00t_data.terms.licences import LicenceError
from gr00t_model.lineage.chain import NVIDIA_LICENCE
from gr00t_model.release.licences import licences_of, require_licences
from gr00t_model.training.config import Model
from tests.model.service_lake import GR1, add_store, tiny_config, train_tiny
from tests.model.tiny import SMALL
from tests.shell import invoke


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Path]:
    """A checkpoint that has seen a non-commercial store."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    add_store(lake, "kitchen", range(4), licence="CC-BY-NC-4.0")
    return lake, train_tiny(lake)


def commercial(lake: Lake, names: list[str], **changes):
    measure_statistics(lake, GR1, Shares(stores=names))
    mix(lake, GR1, MixtureSettings(stores=names, licence_profile="commercial"))
    return tiny_config(lake, **changes)


def test_a_base_that_has_seen_more_is_refused(made: tuple[Lake, Path]) -> None:
    lake, checkpoint = made
    add_store(lake, "robot", range(4, 8), licence="MIT")
    require_licences(commercial(lake, ["robot"]))
    config = commercial(lake, ["robot"], model=Model(base=str(checkpoint)))
    with pytest.raises(LicenceError, match=rf"store kitchen, through base {checkpoint.name}, CC-BY-NC-4.0: non-comm"):
        require_licences(config)
    measure_statistics(lake, GR1, Shares(stores=["robot"]))
    mix(lake, GR1, MixtureSettings(stores=["robot"]))
    require_licences(tiny_config(lake, model=Model(base=str(checkpoint))))  # nobody asked for a profile


@pytest.mark.parametrize(
    ("readme", "allowed"), [("license: mit", True), ("license: other\nlicense_name: nvidia-nscl", False), ("", False)]
)
def test_published_weights_count_with_their_own_licence(
    made: tuple[Lake, Path], tmp_path: Path, readme: str, allowed: bool
) -> None:
    lake, _ = made
    if not (lake.stores / "robot").is_dir():
        add_store(lake, "robot", range(4, 8), licence="MIT")
    (tmp_path / "README.md").write_text(f"---\n{readme}\n---\n")
    config = commercial(lake, ["robot"], model=Model(preset="n1_5_3b", base=str(tmp_path), changes=SMALL))
    if allowed:
        require_licences(config)
        return
    with pytest.raises(LicenceError, match=r"research and development only|non-commercial"):
        require_licences(config)


def test_a_checkpoint_says_what_binds_it(made: tuple[Lake, Path]) -> None:
    _, checkpoint = made
    told = licences_of(checkpoint)
    assert told["inherited licences"] == "none: random weights"
    assert told["commercial use"] == "store kitchen: CC-BY-NC-4.0, non-commercial use only"
    assert "non-commercial" in NVIDIA_LICENCE


def test_the_profile_from_the_shell(made: tuple[Lake, Path]) -> None:
    lake, _ = made
    if not (lake.stores / "robot").is_dir():
        add_store(lake, "robot", range(4, 8), licence="MIT")
    options = ["--lake", str(lake.root), "--json"]
    refused = invoke(["mix", "--licence-profile", "commercial", *options])
    assert refused.exit_code == 2 and "--stores robot" in refused.output
    wrong = invoke(["mix", "--licence-profile", "lax", *options])
    assert wrong.exit_code == 2 and '"any", "commercial"' in wrong.output
    fine = invoke(["mix", "--licence-profile", "commercial", "--stores", "robot", *options])
    assert fine.exit_code == 0, fine.output
    manifest = read_json(Path(json.loads(fine.stdout)["file"]))
    assert manifest["licence_profile"] == "commercial"
    shown = invoke(["lineage", "checkpoint_gr1", *options])
    assert json.loads(shown.stdout)["commercial use"].startswith("store kitchen: CC-BY-NC-4.0")
