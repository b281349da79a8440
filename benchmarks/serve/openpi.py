"""openpi's own client against our server: the package openpi-client in an environment of its own (it needs numpy 1).

An observation is answered with the actions of the policy, a wrong one raises with our words, and the next is answered.

python -m benchmarks.serve.openpi [--python PATH]
"""

import json
import subprocess
import sys
import tempfile
import threading
import venv
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from benchmarks.act import nano_policy, observation
from benchmarks.command import Json, command, say, show
from gr00t_model.serve.server import Server
from gr00t_model.serve.settings import Listening

PACKAGE = "openpi-client==0.1.2"
"""It imports typing_extensions without asking for it."""
_PROGRAM = """
import json, sys
import numpy as np
from openpi_client.websocket_client_policy import WebsocketClientPolicy
policy = WebsocketClientPolicy(sys.argv[1])
seen = dict(np.load(sys.argv[2]))
prompt = str(seen.pop("prompt"))
answer = policy.infer({**seen, "prompt": prompt})
try:
    policy.infer({"prompt": prompt, "nothing": seen[next(iter(seen))]})
    told = ""
except RuntimeError as error:
    told = str(error)
again = policy.infer({**seen, "prompt": prompt})
np.savez(sys.argv[3], **{k: v for k, v in answer.items() if isinstance(v, np.ndarray)})
same = bool((again["actions"] == answer["actions"]).all())
print(json.dumps({"metadata": policy.get_server_metadata()["embodiment"], "told": told, "same": same}))
"""


def environment(folder: Path) -> Path:
    """A Python with the package."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", PACKAGE, "typing-extensions"], check=True)
    return python


@command
def main(
    python: Annotated[Path | None, Parameter(help="A Python that has openpi-client; else one is made.")] = None,
    as_json: Json = False,
) -> bool:
    """Print what came out; exit code 1 when the actions are not those of the policy."""
    policy = nano_policy()
    seen = observation(policy)
    with tempfile.TemporaryDirectory() as folder:
        given, left = Path(folder) / "seen.npz", Path(folder) / "answer.npz"
        if python is None:
            say(f"an environment with {PACKAGE} is made")
            python = environment(Path(folder) / "environment")
        arrays = {key: value for key, value in seen.items() if isinstance(value, np.ndarray)}
        np.savez(given, prompt=seen[policy.selection.language][0], **arrays)
        server = Server(Listening(port=0, websocket=0))
        thread = threading.Thread(target=server.run, args=(policy,))
        thread.start()
        try:
            words = [python, "-c", _PROGRAM, server.addresses["websocket"], given, left]
            ran = subprocess.run(words, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, timeout=300, check=True)
        finally:
            server.stop("done")
            thread.join()
        found, answer = json.loads(ran.stdout), dict(np.load(left))
    expected = policy.get_action(seen)
    found["actions"] = all(np.array_equal(answer[key], value) for key, value in expected.items())
    found["actions"] &= np.array_equal(answer["actions"], np.concatenate([*expected.values()], axis=-1))
    show(found, [f"{name}: {value}" for name, value in found.items()], as_json)
    return bool(found["actions"] and found["same"] and "lacks" in found["told"])
