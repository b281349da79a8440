"""The published client of GR00T N1.5 against our server: its own file of a clone, in a process of its own.

It pings, asks for the modalities and for actions (one observation, two at once), sends a wrong one, a wrong token, and
ends the server. The module of data sets, which the client imports for one class of two lists and which would bring
torch and decord, is replaced by that class.

python -m benchmarks.serve.published --published FOLDER     # a clone of Isaac-GR00T at n1.5-release
"""

import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from benchmarks.act import nano_policy, observation
from benchmarks.command import Json, command, show
from gr00t_model.serve.server import Server
from gr00t_model.serve.settings import Listening

CLIENT = "gr00t/eval/service.py"
_TOKEN = "a token of this run"
_PROGRAM = """
import importlib.util, json, sys, types
import numpy as np, pydantic

class ModalityConfig(pydantic.BaseModel):
    delta_indices: list[int]
    modality_keys: list[str]

module = types.ModuleType("gr00t.data.dataset")
module.ModalityConfig = ModalityConfig
for name in ("gr00t", "gr00t.data"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["gr00t.data.dataset"] = module
file, port, token, given, left = sys.argv[1:]
spec = importlib.util.spec_from_file_location("service", file)
service = importlib.util.module_from_spec(spec)
spec.loader.exec_module(service)

def refused(client, *asked):
    try:
        client.call_endpoint(*asked)
    except RuntimeError as error:
        return str(error)
    return ""

client = service.ExternalRobotInferenceClient("127.0.0.1", int(port), api_token=token)
seen = dict(np.load(given))
prompt, key = str(seen.pop("prompt")), str(seen.pop("key"))
one = {**seen, key: [prompt]}
two = {**{name: np.stack([value, value]) for name, value in seen.items()}, key: [prompt, prompt]}
config = client.call_endpoint("get_modality_config", requires_input=False)
found = {"ping": client.ping()}
found["modalities"] = {name: len(part.modality_keys) for name, part in config.items()}
answers = client.get_action(one), client.get_action(two)
np.savez(left, **{f"{name} {rows}": value for rows, answer in enumerate(answers, 1) for name, value in answer.items()})
found["a missing key"] = refused(client, "get_action", {key: [prompt]})
stranger = service.BaseInferenceClient("127.0.0.1", int(port), api_token="none")
found["a wrong token"] = refused(stranger, "ping", None, False)
try:
    client.kill_server()
except TypeError:  # the client trips over its own server's answer to kill, which is null
    pass
print(json.dumps(found))
"""


@command
def main(
    published: Annotated[Path, Parameter(help="A clone of Isaac-GR00T at n1.5-release.")],
    as_json: Json = False,
) -> bool:
    """Print what came out; exit code 1 when the actions are not the policy's, or a call is answered otherwise."""
    policy = nano_policy()
    seen = observation(policy)
    arrays = {key: value for key, value in seen.items() if isinstance(value, np.ndarray)}
    with tempfile.TemporaryDirectory() as folder:
        given, left = Path(folder) / "seen.npz", Path(folder) / "answer.npz"
        key = policy.selection.language
        np.savez(given, prompt=seen[key][0], key=key, **arrays)
        server = Server(Listening(port=0), _TOKEN)
        port = server.addresses["zmq"].rpartition(":")[2]
        thread = threading.Thread(target=server.run, args=(policy,))
        thread.start()
        try:
            words = [sys.executable, "-c", _PROGRAM, str(published / CLIENT), port, _TOKEN, given, left]
            ran = subprocess.run(words, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, timeout=300, check=True)
            thread.join(10)
            found = json.loads(ran.stdout) | {"kill ends it": not thread.is_alive()}
        finally:
            server.stop("done")
            thread.join()
        answer = dict(np.load(left))
    expected = policy.get_action(seen)
    found["actions"] = all(np.array_equal(answer[f"{name} 1"], value) for name, value in expected.items())
    found["actions of two"] = all(answer[f"{name} 2"].shape == (2, *value.shape) for name, value in expected.items())
    show(found, [f"{name}: {value}" for name, value in found.items()], as_json)
    return bool(
        all(found[name] for name in ("ping", "kill ends it", "actions", "actions of two"))
        and "lacks" in found["a missing key"]
        and "Unauthorized" in found["a wrong token"]
    )
