"""The script for TensorRT, which nothing here can run: its syntax, its flags, and every shape against the parts."""

import re
import subprocess
from pathlib import Path

import onnx
import pytest

from gr00t_data.integrity import require_intact
from gr00t_model.acting.onnx.layout import PARTS, OnnxError, part_file
from gr00t_model.serve.onnx.tensorrt import write_script
from tests.shell import invoke

FLAGS = ["onnx", "saveEngine", "stronglyTyped", "useCudaGraph", "minShapes", "optShapes", "maxShapes"]
RANGES = FLAGS[-3:]


@pytest.fixture(scope="module")
def script(halved: Path) -> Path:
    assert invoke(["export", "--tensorrt", halved]).exit_code == 0
    return halved / "build_engine.sh"


def calls(script: Path, tmp_path: Path, **variables: str) -> list[dict[str, str]]:
    """What the script asks of trtexec: option -> value, by a program of that name that only writes them down."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    recorder, told = tmp_path / "bin/trtexec", tmp_path / "calls"
    recorder.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    recorder.chmod(0o755)
    told.unlink(missing_ok=True)
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "ENGINES": str(tmp_path / "engines"), **variables}
    subprocess.run([str(script)], env=environment, check=True, capture_output=True)
    lines = [
        [word.removeprefix("--").partition("=") for word in line.split()] for line in told.read_text().splitlines()
    ]
    return [{name: value for name, _, value in line} for line in lines]


def sizes(text: str) -> dict[str, list[int]]:
    return {
        name: [int(one) for one in shape.split("x")] for name, shape in (part.split(":") for part in text.split(","))
    }


def test_its_syntax_is_right_and_it_says_that_nobody_ran_it(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    assert "NOT TRIED" in script.read_text().partition("set -euo")[0] and require_intact(script.parent)


@pytest.mark.parametrize("views", ["1", "2", "3"])
def test_every_flag_and_shape_is_that_of_its_part(script: Path, tmp_path: Path, views: str) -> None:
    made = calls(script, tmp_path, VIDEO_VIEWS=views, MAX_BATCH="8")
    assert [one["onnx"] for one in made] == [part_file(part, "float16") for part in PARTS]
    names = ["vit_fp16", "llm_fp16", "vlln_vl_self_attention", "state_encoder", "action_encoder", "DiT_fp16"]
    assert [Path(one["saveEngine"]).name for one in made] == [f"{name}.engine" for name in (*names, "action_decoder")]
    longest = set()
    for one in made:
        assert list(one) == FLAGS
        graph = onnx.load(script.parent / one["onnx"]).graph
        low, usual, high = (sizes(one[name]) for name in RANGES)
        assert low.keys() == usual.keys() == high.keys() == {value.name for value in graph.input}
        for value in graph.input:
            dims = value.type.tensor_type.shape.dim
            for dim, *found in zip(dims, low[value.name], usual[value.name], high[value.name], strict=True):
                assert found == sorted(found) and (dim.dim_param or found == [dim.dim_value] * 3)
                if dim.dim_param == "views":
                    assert found == [1, int(views), 8 * int(views)]
                elif dim.dim_param == "batch":
                    assert found == [1, 1, 8]
                elif dim.dim_param:
                    longest.add(tuple(found))
    (lengths,) = longest
    tokens = re.findall(r"(\d)\) LENGTH_MIN=(\d+) LENGTH_OPT=(\d+) LENGTH_MAX=(\d+)", script.read_text())
    assert lengths == tuple(int(one) for one in tokens[int(views) - 1][1:]) and lengths[0] < lengths[1] < lengths[2]


def test_another_number_of_views_and_no_trtexec_are_refused(script: Path, tmp_path: Path) -> None:
    for variables, told in (({"VIDEO_VIEWS": "4"}, "expected 1, 2 or 3, found 4"), ({}, "trtexec is not on the PATH")):
        path = f"{tmp_path}/bin:/usr/bin:/bin" if variables else "/usr/bin:/bin"
        calls(script, tmp_path)
        environment = {"PATH": path, "ENGINES": str(tmp_path / "engines"), **variables}
        done = subprocess.run([str(script)], env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 2 and told in done.stderr


def test_engines_are_made_of_float16_parts(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(OnnxError, match="holds float32, engines are float16; export with --dtype float16"):
        write_script(exported)
    refused = invoke(["export", "--tensorrt", tmp_path])
    assert refused.exit_code == 2 and "is no exported folder; make one: gr00t export" in refused.output


@pytest.mark.parametrize("words", [[], ["CHECKPOINT"], ["CHECKPOINT", "--tensorrt", "x"], ["--onnx", "x"]])
def test_the_verb_needs_one_of_two_things(words: list[str]) -> None:
    refused = invoke(["export", *words])
    assert refused.exit_code == 2 and "CHECKPOINT --onnx FOLDER, or --tensorrt FOLDER" in refused.output
