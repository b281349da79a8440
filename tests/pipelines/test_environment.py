"""env.sh: what a shell that sourced it starts when it says `dagster`."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("verb", "module"), [("dev", ""), ("asset", "pipelines.command_line")])
def test_the_graph_is_named_to_every_command_but_dev(tmp_path, verb, module):
    """`dagster dev` stops without a word when it is told by variable and by pyproject.toml."""
    environment = tmp_path / "venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/activate").write_text(f'export VIRTUAL_ENV="{environment}" PATH="{environment}/bin:$PATH"\n')
    real = environment / "bin/dagster"
    real.write_text('#!/bin/sh\necho "$1/$DAGSTER_MODULE_NAME"\n')
    real.chmod(0o755)
    variables = {"VENV": str(environment), "DAGSTER_HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}
    script = f"source '{ROOT}/env.sh' && source '{ROOT}/env.sh' && nohup dagster {verb}"
    done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{verb}/{module}"
