"""finetune_gr1 on its own: builds what it needs, or refuses; and the whole tiny graph."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from assets.training import FinetuneConfig, require_all_steps, training_assets
from gr00t_data.disk import write_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_model.loop.run import Outcome
from gr00t_model.training.key import PolicyRun
from gr00t_model.training.recipes import recipe
from pipelines.definitions import defs
from tests.pipelines.stale_assets import statuses

ROOT = Path(__file__).parents[2]
GR1 = load_embodiment("gr1")


def test_fail_instead_of_ensure_names_what_to_run(tmp_path: Path) -> None:
    finetune = training_assets(GR1)[0]
    config = dg.RunConfig(ops={"finetune_gr1": FinetuneConfig(on_missing_input="fail")})
    with dg.instance_for_test() as instance:
        result = dg.materialize(
            [finetune], resources={"lake": Lake(tmp_path)}, instance=instance, run_config=config, raise_on_error=False
        )
        assert not result.success
        (failure,) = [event for event in result.all_events if event.is_step_failure]
        text = str(failure.event_specific_data)
        assert "teleop_episodes, norm_stats_gr1, mixture_gr1, base_nano" in text
        assert "dagster asset materialize --select '*finetune_gr1'" in text
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_did_not_do_its_steps_is_no_success(tmp_path: Path) -> None:
    run = PolicyRun(tmp_path / "run")
    write_json(run.run_json, {"key": "k", "config": recipe("gr1_nano_tiny").model_copy(update={"steps": 4}).to_dict()})
    fields = {"step": 4, "steps_done": 0, "losses": {}, "peak_memory_bytes": 0}
    done = Outcome.model_validate({"state": "complete", "message": "was complete already", **fields})
    stopped = done.model_copy(update={"state": "interrupted", "step": 2, "message": "told to stop"})
    require_all_steps(run, done, "gr1")
    with pytest.raises(dg.Failure, match="says it is complete after 0 of 4 steps"):
        require_all_steps(run, done.model_copy(update={"step": 0}), "gr1")
    with pytest.raises(dg.Failure, match="ended interrupted at step 2: told to stop; materialize finetune_gr1 again"):
        require_all_steps(run, stopped, "gr1")


@pytest.mark.slow
def test_finetune_alone_in_an_empty_lake(tmp_path: Path) -> None:
    """The user's own command, in a process of its own: what it built is recorded, and a second call trains nothing."""
    config = {
        "recipe": "gr1_nano_tiny",
        "simulator": {"reach": 4, "push": 0, "pick_and_place": 0, "workers": 1},
        "base": {"stills": 64},
    }
    command = ["asset", "materialize", "--select", "finetune_gr1", "--config-json"]
    arguments = [*command, json.dumps({"ops": {"finetune_gr1": {"config": config}}})]
    home = tmp_path / "home"
    home.mkdir()
    environment = os.environ | {
        "GR00T_LAKE": str(tmp_path / "lake"),
        "DAGSTER_HOME": str(home),
        "DAGSTER_MODULE_NAME": "pipelines.command_line",
    }
    dagster = str(Path(sys.executable).parent / "dagster")
    for attempt in ("first", "second"):
        done = subprocess.run(
            [dagster, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        built = "is missing: building it here" in done.stderr
        assert built == (attempt == "first")
    assert "complete already, nothing was done" in done.stderr
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for key in ("teleop_episodes", "norm_stats_gr1", "mixture_gr1", "base_nano", "finetune_gr1"):
            assert instance.get_latest_materialization_event(dg.AssetKey(key)), key
        assert instance.get_materialized_partitions(dg.AssetKey("teleop_episodes")) == {"simulator"}
        event = instance.get_latest_materialization_event(dg.AssetKey("mixture_gr1"))
        assert event and event.asset_materialization
        assert event.asset_materialization.metadata["data_source"].value == "simulator"
        made = statuses(defs, instance)  # what was built inside the step is as fresh as what was built by its own
        assert len(made) == 5 and not any(made.values()), made
