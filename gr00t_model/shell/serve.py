"""The shell verb of deployment: serve."""

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gr00t_data.foreign_text import printable_json
from gr00t_model.serve.settings import RECORDED_WITHIN_S, ServeSettings
from gr00t_model.serve.wire.call import TOKEN
from gr00t_model.shell.app import InLake, say, tell
from gr00t_model.shell.options import UsageError, verb

if TYPE_CHECKING:
    from gr00t_model.serve.rollouts.recording import Recorder


@verb
def serve(
    checkpoint: Annotated[
        str,
        Parameter(help="A checkpoint, published or exported folder: by path, by name in the lake, or `released_gr1`."),
    ] = "",
    /,
    *,
    settings: ServeSettings,
    asked: InLake,
) -> int:
    """Serve a policy to robots: ZeroMQ as the GR00T clients speak it, and beside it HTTP and openpi's websocket.

    The protocols of N1.5, N1.6 and N1.7 are answered on one port, each in its own form. Nothing is ever unpickled. With
    a token in the environment variable GR00T_API_TOKEN every request must bring it. Ctrl-C or SIGTERM ends it; exit
    status 1: a part of it broke. With --json it prints one line when it listens.

    Example: `gr00t serve released_gr1`
    Example: `gr00t serve GR00T-N1.5-3B -e gr1 --tokenizer Qwen3-1.7B --dtype bfloat16 --http 8000`
    Example: `GR00T_API_TOKEN=... gr00t serve released_gr1 --host 0.0.0.0 --websocket 8001`
    Example: `gr00t serve released_gr1 --record lake/landing/night`
    Example: `gr00t serve --replay teleop --episode 3`
    """
    from gr00t_data.stages.names import checkpoint_named, store_named
    from gr00t_model.serve import opening
    from gr00t_model.serve.endpoints import ENDPOINTS
    from gr00t_model.serve.rollouts.endpoints import recording
    from gr00t_model.serve.server import Server

    if bool(checkpoint) == bool(settings.served.replay):
        raise UsageError("CHECKPOINT: name what is to act, or a store with --replay")
    token, where = os.environ.get(TOKEN) or None, asked.where
    server = Server(settings.listening, token)
    folder = None
    if settings.served.replay:
        opened = opening.opened_replay(store_named(where, settings.served.replay), settings.served)
    else:
        folder = checkpoint_named(where, checkpoint)
        opened = opening.opened_policy(folder, settings.served, settings.bounds)
    server.stop_on_signals()
    facts, keys = opening.told(opened, server.addresses, bool(token)), opening.keys(opened.actor)
    if asked.as_json:
        tell(printable_json(json.dumps({**facts, "keys": keys})))
    else:
        asked.show(facts, keys)
    sys.stdout.flush()
    recorder = opening.opened_recorder(opened, folder, settings.served) if folder and settings.served.record else None
    ended = server.run(opened.actor, recording(recorder) if recorder else ENDPOINTS)
    if recorder:
        _tell_recorded(recorder, settings.served.record)
    say(f"ended: {ended.reason}")
    if not ended.idle:
        sys.stderr.flush()
        os._exit(int(ended.broken))  # an answer is being computed, which nothing else could cut
    return int(ended.broken)


def _tell_recorded(recorder: "Recorder", name: str) -> None:
    """End the recording and say what landed."""
    whole = recorder.close(RECORDED_WITHIN_S)
    say(f"recorded: {recorder.counts.episodes} episodes, {recorder.counts.lost} lost")
    for drop in recorder.landed:
        say(f"landed: {drop}")
    if not whole:
        say(f"not all of it is encoded yet; what is whole lands when a server records as {name} again")
