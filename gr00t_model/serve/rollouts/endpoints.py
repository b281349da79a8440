"""The endpoints of a server that records: ``record`` and ``end_episode`` beside those of every server."""

import time
from collections.abc import Callable, Mapping

from gr00t_model.acting.values import ObservationError
from gr00t_model.serve.desk import Desk, Endpoint, Peer, Refusal
from gr00t_model.serve.endpoints import ENDPOINTS, get_action, reset
from gr00t_model.serve.rollouts.recording import Recorder, RecordingError
from gr00t_model.serve.steps import END_EPISODE, EPISODE, RECORD, StepError
from gr00t_model.serve.wire.call import Call


def recording(recorder: Recorder) -> Mapping[str, Endpoint]:
    """Endpoint by name. What is recorded needs no policy, so that it does not wait for one."""

    def act(desk: Desk, call: Call, peer: Peer) -> Mapping[str, object]:
        came_s = time.monotonic()
        actions = get_action(desk, call, peer)
        recorder.asked(peer.name, call.observation, actions, episode=call.options.get(EPISODE), time_s=came_s)
        return actions

    def begin(desk: Desk, call: Call, peer: Peer) -> None:
        reset(desk, call, peer)
        recorder.reset(peer.name)

    told = {RECORD: _told(recorder.record), END_EPISODE: _told(recorder.end_episode)}
    return {**ENDPOINTS, "get_action": Endpoint(act, acts=True), "reset": Endpoint(begin, acts=True), **told}


def _told(take: Callable[[str, object], object]) -> Endpoint:
    def answer(desk: Desk, call: Call, peer: Peer) -> object:
        try:
            return take(peer.name, call.data)
        except (StepError, ObservationError) as error:
            raise Refusal("refused", str(error)) from error
        except RecordingError as error:
            raise Refusal("failed", str(error)) from error

    return Endpoint(answer)
