"""env.sh: what a shell that sourced it starts when it says `dagster`; constraints.txt: what `make setup` installs."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


GUARDED = "python -m pipelines.web"


@pytest.mark.parametrize(
    ("command", "started", "module"),
    [
        ("dagster dev", f"{GUARDED} dagster dev", ""),
        ("dg dev", f"{GUARDED} dg dev", ""),
        ("dg --verbose dev", f"{GUARDED} dg --verbose dev", ""),
        ("dagster-webserver -p 1", f"{GUARDED} dagster-webserver -p 1", "pipelines.command_line"),
        ("dagster asset list", "dagster asset list", "pipelines.command_line"),
        ("dg check defs", "dg check defs", "pipelines.command_line"),
    ],
)
def test_what_the_programs_of_dagster_start(tmp_path, command, started, module):
    """`dagster dev` stops without a word when it is told the graph by variable and by pyproject.toml."""
    environment = tmp_path / "venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/activate").write_text(f'export VIRTUAL_ENV="{environment}" PATH="{environment}/bin:$PATH"\n')
    for name in ("dagster", "dg", "dagster-webserver", "python"):
        real = environment / "bin" / name
        real.write_text(f'#!/bin/sh\necho "{name} $*/$DAGSTER_MODULE_NAME"\n')
        real.chmod(0o755)
    variables = {"VENV": str(environment), "DAGSTER_HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}
    script = f"source '{ROOT}/env.sh' && source '{ROOT}/env.sh' && nohup {command}"
    done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{started}/{module}"
    assert "python -m pipelines.home/" in done.stderr  # makes the databases of a home that has none


def pinned() -> dict[str, tuple[str, int]]:
    """Package -> version and number of hashes, as constraints.txt has them."""
    blocks = re.split(r"\n(?=\S)", (ROOT / "constraints.txt").read_text().strip())[1:]
    heads = [re.match(r"([a-z0-9-]+)==(\S+)", block) for block in blocks]
    return {
        head[1]: (head[2], block.count("--hash=sha256:")) for head, block in zip(heads, blocks, strict=True) if head
    }


def test_every_package_is_pinned_with_hashes_and_every_dependency_has_a_bound():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(one) for one in [*project["dependencies"], *project["optional-dependencies"]["dev"]]]
    versions = pinned()
    for one in wanted:
        version, hashes = versions[canonicalize_name(one.name)]
        assert one.specifier.contains(version) and hashes, one.name
        assert "<" in str(one.specifier), f"{one.name}: the next major may break us"
    assert all(hashes for _, hashes in versions.values())
    assert "://" not in (ROOT / "constraints.txt").read_text()


def test_a_file_with_another_hash_is_not_installed(tmp_path):
    """Real pip, with a wheel of its own folder: no index is asked."""
    wheel = tmp_path / "torch-2.8.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("torch-2.8.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: torch\nVersion: 2.8.0\n")
        archive.writestr(
            "torch-2.8.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("torch-2.8.0.dist-info/RECORD", "")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    (tmp_path / "constraints.txt").write_text(f"# made\ntorch==2.8.0 \\\n    --hash=sha256:{'0' * 64}\n")
    offline = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    command = [ROOT / ".ci/install", tmp_path / "venv", tmp_path / "constraints.txt"]
    done = subprocess.run(command, cwd=ROOT, env=offline, capture_output=True, text=True, check=False)
    assert done.returncode and "DO NOT MATCH THE HASHES" in done.stderr
    assert not list((tmp_path / "venv").rglob("torch*"))
