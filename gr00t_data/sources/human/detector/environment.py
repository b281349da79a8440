"""The Python that has MediaPipe. Its protobuf (4) clashes with the orchestrator's (6), so it lives apart.

MediaPipe 0.10.14 is the newest version whose wheel holds the models of hands and faces: it works without a network
once it is installed. ``gr00t hands setup`` makes the environment once; nothing else does.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gr00t_data.disk import claimed, read_json, replacing_folder, write_json

VARIABLE = "GR00T_MEDIAPIPE"
"""Environment variable: the folder of the environment, instead of one in the user's cache."""

VERSION = "0.10.14"

PINNED = (
    f"mediapipe=={VERSION}",
    "protobuf==4.25.9",
    "absl-py==2.5.1",
    "attrs==26.1.0",
    "flatbuffers==25.12.19",
    "jax==0.10.2",
    "jaxlib==0.10.2",
    "matplotlib==3.11.2",
    "numpy==2.4.6",
    "opencv-contrib-python==5.0.0.93",
    "sounddevice==0.5.6",
)
"""What is installed: MediaPipe and everything it asks for, in versions that were tried together."""

_FACTS = "environment.json"
_INSTALL_S = 1800
_TRIAL_S = 180
_TRIAL = (
    "import json, mediapipe, google.protobuf, numpy; "
    "hands = mediapipe.solutions.hands.Hands(); "
    "hands.process(numpy.zeros((64, 64, 3), numpy.uint8)); "
    "print(json.dumps({'mediapipe': mediapipe.__version__, 'protobuf': google.protobuf.__version__, "
    "'numpy': numpy.__version__}))"
)


class DetectorError(RuntimeError):
    """The detector is not there, does not start, or stopped; the message says what to do."""


def environment_folder() -> Path:
    """Where the environment is, or would be: ``GR00T_MEDIAPIPE``, else the user's cache folder."""
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "gr00t" / f"mediapipe-{VERSION}"


def mediapipe_python() -> Path | None:
    """The interpreter that has MediaPipe; None while nobody has set it up."""
    facts = environment_folder() / _FACTS
    if not facts.is_file():
        return None
    python = Path(read_json(facts)["python"])
    return python if python.is_file() else None


def required_python() -> Path:
    """The same.

    Raises:
        DetectorError: nobody has set it up.
    """
    if (python := mediapipe_python()) is None:
        raise DetectorError(
            f"{environment_folder()}: holds no MediaPipe; run `gr00t hands setup` once (it needs a network, or "
            "--wheels FOLDER), or give tracks that are there already"
        )
    return python


def set_up(
    *,
    wheels: Path | None = None,
    python: Path | None = None,
    again: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, str]:
    """Make the environment, unless it is there and works.

    Args:
        wheels: folder with the wheels of ``PINNED`` and what they need; no network is used then.
        python: an interpreter that has MediaPipe already: it is taken as it is, nothing is installed.
        again: make it anew.
        say: hears what is being done.

    Returns:
        folder, python, and the versions of mediapipe, protobuf and numpy.

    Raises:
        DetectorError: no network, no wheel for this Python, or it does not start.
    """
    folder = environment_folder()
    with claimed(folder):
        if not again and python is None and mediapipe_python() is not None:
            return {"folder": str(folder), **read_json(folder / _FACTS)}
        return _made(folder, wheels, python, say)


def _made(folder: Path, wheels: Path | None, python: Path | None, say: Callable[[str], None]) -> dict[str, str]:
    with replacing_folder(folder, over=True) as building:
        used = python.absolute() if python else folder / "bin/python"
        if python is None:
            _install(building, wheels, say)
        say("trying it")
        versions = _tried(python or building / "bin/python")
        write_json(building / _FACTS, {"python": str(used), **versions})
    return {"folder": str(folder), "python": str(used), **versions}


def _install(folder: Path, wheels: Path | None, say: Callable[[str], None]) -> None:
    say(f"making an environment of {sys.executable}")
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], _INSTALL_S, "it could not be made")
    say(f"installing {PINNED[0]} (about 500 MB)")
    source = ["--no-index", "--find-links", str(wheels)] if wheels else []
    command = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *source]
    where = f"look whether {wheels} holds all wheels" if wheels else "look at the network"
    _run(
        [*command, *PINNED],
        _INSTALL_S,
        f"pip could not install {PINNED[0]}; {where}, or fetch them elsewhere with the same Python "
        f"(`pip download -d WHEELS {' '.join(PINNED)}`) and give --wheels WHEELS",
    )


def _tried(python: Path) -> dict[str, str]:
    """The versions an interpreter has, after it looked for hands in a black picture."""
    out = _run([str(python), "-I", "-c", _TRIAL], _TRIAL_S, f"{python} cannot run MediaPipe's hands")
    versions = json.loads(out.strip().splitlines()[-1])
    if versions["mediapipe"] != VERSION:
        raise DetectorError(f"{python}: has mediapipe {versions['mediapipe']}, expected {VERSION}")
    return versions


def _run(command: list[str], limit_s: float, failed: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - pip, venv and the interpreter that the user named
            command, capture_output=True, text=True, timeout=limit_s, check=False, env=quiet()
        )
    except subprocess.TimeoutExpired as error:
        raise DetectorError(f"{failed}: no end after {limit_s:g} s") from error
    except OSError as error:
        raise DetectorError(f"{failed}: {error}") from error
    if done.returncode:
        raise DetectorError(f"{failed}. It said: {' | '.join(done.stderr.strip().splitlines()[-4:])}")
    return done.stdout


def quiet() -> dict[str, str]:
    """The environment of the process, with the logs of its libraries turned down and their threads kept to one."""
    return os.environ | {"GLOG_minloglevel": "3", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a detector: its input is closed, and after ten seconds it is killed."""
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
