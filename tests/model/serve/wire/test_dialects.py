"""What a call holds and how it is answered, of each dialect; B and tokens from the description of the protocol."""

import io
import tracemalloc

import msgpack
import msgpack_numpy
import numpy as np
import pytest

from gr00t_model.serve.wire import asking, dialects
from gr00t_model.serve.wire.call import INSTRUCTION, Call, Dialect, WireError
from tests.model.serve.wire.recorded import FACTS, arm, frames, needs_recordings, packed

VIDEO = np.arange(192, dtype=np.uint8).reshape(1, 1, 8, 8, 3)
STATE = np.linspace(-1, 1, 7, dtype=np.float32).reshape(1, 1, 7)


def npy(array: np.ndarray) -> dict[str, object]:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return {"__ndarray_class__": True, "as_npy": file.getvalue()}


def request_b(video: np.ndarray = VIDEO, state: np.ndarray = STATE, **more: object) -> bytes:
    """As the published N1.6 client writes it."""
    observation: dict[str, object] = {"video": {"ego_view": npy(video)}, "state": {"right_arm": npy(state)}}
    observation["language"] = {"task": [["pick the pear"]] * len(state)}
    return packed({"endpoint": "get_action", "data": {"observation": observation, "options": None}} | more)


def test_dialect_b_is_read_and_answered_as_n1_6_does():
    call = dialects.read(request_b())
    assert (call.dialect, call.shown, call.batched, call.token, call.options) == ("B", True, True, None, {})
    assert call.observation.keys() == {"video.ego_view", "state.right_arm", INSTRUCTION}
    np.testing.assert_array_equal(call.observation["state.right_arm"], STATE)
    assert call.observation[INSTRUCTION] == ["pick the pear"]
    answer = {"action.right_arm": arm(1).astype(np.float32)}
    assert dialects.reply(call, answer) == packed([{"right_arm": npy(answer["action.right_arm"])}, {}])
    config = msgpack.unpackb(dialects.modality_config(Call("B", "get_modality_config"), FACTS))
    assert config["state"] == {
        "__ModalityConfig_class__": True,
        "as_json": {
            "delta_indices": [0],
            "modality_keys": ["right_arm"],
            "sin_cos_embedding_keys": None,
            "mean_std_embedding_keys": None,
            "action_configs": None,
        },
    }
    assert dialects.reply(Call("B", "reset")) == b"\x80"
    assert dialects.error("no") == packed({"error": "no"})


@pytest.mark.parametrize("dialect", ["A", "B", "C"])
def test_the_client_and_the_server_understand_each_other(dialect: Dialect):
    observation = {"video.ego_view": VIDEO[0], "state.right_arm": STATE[0], INSTRUCTION: ["pick the pear"]}
    observation["action.right_arm"] = arm()[3:8]
    options = {"seed": 3, "rtc_overlap_steps": 5, "rtc_ramp_rate": 6.0}
    call = dialects.read(asking.action_request(dialect, observation, options, "secret"))
    assert (call.dialect, call.token, call.options, call.batched) == (dialect, "secret", options, dialect != "A")
    rows = (slice(None),) if dialect == "A" else (0,)
    assert list(call.observation) == list(observation) or call.observation.keys() == observation.keys()
    for key in ("video.ego_view", "state.right_arm", "action.right_arm"):
        np.testing.assert_array_equal(np.asarray(call.observation[key])[rows], observation[key])
    assert call.observation[INSTRUCTION] == ["pick the pear"]
    answer = {"action.right_arm": arm() if dialect == "A" else arm(1)}
    told = asking.actions(asking.answer(dialects.reply(call, answer)), asking.is_single(observation))
    assert told.keys() == answer.keys()
    np.testing.assert_array_equal(told["action.right_arm"], arm())
    assert asking.modalities(asking.answer(dialects.modality_config(call, FACTS))) == FACTS
    assert asking.error_in(asking.answer(dialects.error("no"))) == "no"


@needs_recordings
def test_the_client_asks_as_the_published_ones_do():
    flat = {"video.ego_view": VIDEO[0], "state.right_arm": STATE[0], "task": ["pick the pear"]}
    assert asking.action_request("C", flat, None, None) == frames("n17main_zmq")["get_action"][0]
    told = {"video.ego_view": VIDEO[0], "state.right_arm": np.linspace(-1, 1, 7)[None], INSTRUCTION: ["pick the pear"]}
    assert asking.action_request("A", told, None, None) == frames("n15_zmq")["get_action"][0]
    assert asking.request("A", "ping", token="wrong") == frames("n15_zmq")["bad_token"][0]
    assert asking.request("C", "reset", {"options": None}) == frames("n17main_zmq")["reset"][0]


@needs_recordings
def test_msgpack_numpy_reads_what_is_written_in_dialect_c_and_is_read():
    call = dialects.read(frames("n17main_zmq")["get_action"][0])
    answer = {"action.right_arm": arm(2).astype(np.float32), "action.hand": np.arange(6, dtype=np.int16).reshape(1, 6)}
    found = msgpack_numpy.unpackb(dialects.reply(call, answer))
    for key, value in answer.items():
        np.testing.assert_array_equal(found[0][key.removeprefix("action.")], value)
    data = {"observation": {"video": {"ego": VIDEO}, "state": {"arm": STATE, "on": np.array([[[True]]])}}}
    data |= {"options": {"seed": np.int64(3)}}
    read = dialects.read(bytes(msgpack_numpy.packb({"endpoint": "get_action", "data": data}) or b""))
    assert read.dialect == "C" and read.options == {"seed": 3}
    np.testing.assert_array_equal(read.observation["video.ego"], VIDEO)
    np.testing.assert_array_equal(read.observation["state.on"], [[[True]]])


def test_what_shows_no_dialect_is_answered_in_the_usual_one():
    asked = packed({"endpoint": "get_modality_config"})
    assert [dialects.read(asked, usual=one).dialect for one in ("A", "B", "C")] == ["A", "B", "C"]
    assert not dialects.read(asked).shown
    assert dialects.read(packed({"endpoint": "reset", "data": {"options": {"seed": 1}}})).options == {"seed": 1}


def test_the_newest_of_several_frames_is_taken():
    video = np.stack([np.zeros((1, 4, 4, 3), np.uint8), np.ones((1, 4, 4, 3), np.uint8)], axis=1)
    state = np.stack([np.zeros((1, 7)), np.ones((1, 7))], axis=1)
    call = dialects.read(request_b(video, state))
    np.testing.assert_array_equal(call.observation["video.ego_view"], np.ones((1, 1, 4, 4, 3)))
    np.testing.assert_array_equal(call.observation["state.right_arm"], np.ones((1, 1, 7)))


def test_tokens_are_handed_on_and_texts_in_arrays_are_texts():
    assert dialects.read(request_b(api_token="secret")).token == "secret"
    data = {"state.arm": npy(STATE), INSTRUCTION: npy(np.array(["pick", "the pear"]))}
    call = dialects.read(packed({"data": data}))
    assert call.observation[INSTRUCTION] == ["pick", "the pear"]


def wrong(message: object) -> str:
    with pytest.raises(WireError) as error:
        dialects.read(message if isinstance(message, bytes) else packed(message))
    return str(error.value)


def test_what_is_no_request_is_told():
    assert "mapping" in wrong([1, 2])
    assert "not msgpack" in wrong(b"\xc1hello")
    assert "cut off" in wrong(request_b()[:-3])
    assert "extra data" in wrong(request_b() + b"\x00")
    assert "'surprise'" in wrong({"endpoint": "ping", "surprise": 1})
    assert "text" in wrong({"endpoint": 3})
    assert "no observation" in wrong({"endpoint": "get_action"})
    assert "extension type 4" in wrong({"data": msgpack.ExtType(4, b"x")})
    assert "Timestamp" in wrong({"data": {"at": msgpack.Timestamp(1)}})
    assert "inside each other" in wrong(b"\x81\xa4data" + b"\x81\xa1a" * 40 + b"\xc0")
    assert "characters" in wrong({"data": {INSTRUCTION: "x" * 5000}})
    assert "twice" in wrong(b"\x82\xa4data\x80\xa4data\x80")
    assert "nope" in wrong({"data": {"observation": {"nope": {"a": 1}}}})
    assert "instruction alone" in wrong({"data": {"observation": {"language": {"a": [["x"]], "b": [["y"]]}}}})
    assert "found both" in wrong({"data": {"a": npy(STATE), "b": msgpack_numpy.encode(STATE)}})
    assert "options.seed" in wrong({"data": {"a": npy(STATE)}, "options": {"seed": [1]}})


def test_what_is_no_array_of_numbers_is_told():
    def state(value: object) -> str:
        return wrong({"data": {"state.arm": value}})

    def nd(**other: object) -> dict[bytes, object]:
        whole = {"nd": True, "type": "<f4", "kind": b"", "shape": [2], "data": bytes(8)} | other
        return {key.encode(): value for key, value in whole.items()}

    assert "state.arm" in state(nd(shape=[3])) and "takes 12 bytes, found 8" in state(nd(shape=[3]))
    assert "takes" in state(nd(shape=[2**39, 2**39]))
    assert "holds no values" in state(nd(shape=[0], data=b""))
    assert "whole numbers" in state(nd(shape=[-2])) and "whole numbers" in state(nd(shape=[True]))
    assert "shape of up to 8" in state(nd(shape=[1] * 9, data=bytes(4)))
    assert "kind b'O'" in state(nd(kind=b"O", type="|O", data=b"cos\nsystem\n(S'true'\ntR."))
    assert "records" in state(nd(kind=b"V", type=[["a", "<f4"]]))
    assert "the type '|O'" in state(nd(type="|O")) and "the type '<c8'" in state(nd(type="<c8", shape=[1]))
    assert "expected bytes" in state(nd(data="text"))
    objects = io.BytesIO()
    np.save(objects, np.array([{}], dtype=object), allow_pickle=True)
    assert "the type '|O'" in state({"__ndarray_class__": True, "as_npy": objects.getvalue()})
    assert "numpy.save" in state({"__ndarray_class__": True, "as_npy": b"PK\x03\x04" + bytes(20)})
    assert "header" in state({"__ndarray_class__": True, "as_npy": b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + bytes(20)})
    assert "__npgeneric__" in state({b"__npgeneric__": True, b"data": 1})


def test_sizes_are_refused_before_memory_is_taken():
    shapes = b"\xdd\x7f\xff\xff\xff", b"\xdf\x7f\xff\xff\xff", b"\xc6\x7f\xff\xff\xff"
    bombs = [b"\x81\xa4data" + shape for shape in shapes]
    inner = b"\xdc\x0f\xff" * 500, (b"\x9f" + b"\x80" * 15) * 4095, (b"\xdc\x0f\xff" + b"\x80" * 4095) * 4095
    bombs += [b"\x81\xa4data\xdc\x0f\xff" + one for one in inner]
    tracemalloc.start()
    for bomb in bombs:
        wrong(bomb)
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()
    assert "at most 67,108,864 are read" in wrong(bytes(2**26 + 1))


def test_arrays_are_views_of_the_frame_in_this_machines_byte_order():
    data = {"state.arm": npy(STATE.astype(">f4")), "state.f": npy(np.asfortranarray(np.arange(6).reshape(2, 3)))}
    call = dialects.read(packed({"data": data}))
    found = call.observation["state.arm"]
    assert isinstance(found, np.ndarray) and found.dtype == np.dtype("=f4")
    np.testing.assert_array_equal(found, STATE)
    np.testing.assert_array_equal(call.observation["state.f"], np.arange(6).reshape(2, 3))
