"""The external judge: a real program and a real server, good answers, bad ones, late ones."""

import base64
import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gr00t_data.curate.gate.opinion import Judge, JudgeError, ask
from tests import NOWHERE

FRAMES = np.zeros((10, 24, 32, 3), dtype=np.uint8)
FRAMES[:, :, :, 0] = np.arange(10)[:, None, None] * 20


class _Server(BaseHTTPRequestHandler):
    """Says what its path says."""

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/late":
            time.sleep(3)
        status = 500 if self.path == "/broken" else 200
        answers = {
            "/reject": '```json\n{"verdict": "reject", "reason": "the cup melts"}\n```',
            "/maybe": '{"verdict": "maybe"}',
            "/words": "It looks fine to me.",
            "/half": '{"verdict": "accept"',
        }
        seen = {"verdict": "accept", "reason": f"{len(question['frames'])} frames of {question['instruction']}"}
        body = answers.get(self.path, json.dumps(seen)).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # nobody waits for a late answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_a_server_answers(url: str) -> None:
    opinion = ask(Judge(url=f"{url}/", frames=4), FRAMES, "lift the 'cup'", 20)
    assert opinion.verdict == "accept" and opinion.reason == "4 frames of lift the 'cup'"
    assert opinion.sampled == [0, 3, 6, 9] and "lift the" in opinion.prompt and not opinion.problem
    assert ask(Judge(url=f"{url}/reject"), FRAMES, "lift", 20).reason == "the cup melts"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/maybe", "the verdict is 'maybe'"),
        ("/words", "no JSON object"),
        ("/half", "no JSON object"),
        ("/broken", "status 500"),
        ("/late", "no answer within 0.3 s"),
    ],
)
def test_what_cannot_be_used_is_no_verdict(url: str, path: str, problem: str) -> None:
    opinion = ask(Judge(url=url + path, timeout_s=0.3), FRAMES, "lift", 20)
    assert opinion.verdict is None and problem in opinion.problem


def test_nobody_is_there() -> None:
    opinion = ask(Judge(url="http://127.0.0.1:9/"), FRAMES, "lift", 20)
    assert opinion.verdict is None and "cannot be reached" in opinion.problem


def program(folder: Path, text: str) -> Judge:
    path = folder / "judge.py"
    path.write_text(text)
    return Judge((sys.executable, str(path)), frames=2, timeout_s=20)


def test_a_program_sees_the_frames(tmp_path: Path) -> None:
    judge = program(
        tmp_path,
        "import json, sys\nasked = json.load(sys.stdin)\n"
        f"json.dump(asked, open({str(tmp_path / 'asked.json')!r}, 'w'))\n"
        "print(json.dumps({'verdict': 'reject', 'reason': 'x'}))",
    )
    assert ask(judge, FRAMES, "lift", 20).verdict == "reject"
    asked = json.loads((tmp_path / "asked.json").read_text())
    assert [frame["index"] for frame in asked["frames"]] == [0, 9] and asked["frames"][1]["time_s"] == 0.45
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(asked["frames"][1]["png_base64"]))))
    np.testing.assert_array_equal(shown, FRAMES[9])


def test_a_program_that_fails_or_hangs(tmp_path: Path) -> None:
    failed = ask(program(tmp_path, "import sys\nsys.exit('no weights')"), FRAMES, "lift", 20)
    assert failed.verdict is None and "status 1: no weights" in failed.problem
    mark = tmp_path / "alive"
    # It starts a child that would outlive it, were the group not ended.
    child = f"import time, pathlib; time.sleep(2); pathlib.Path({str(mark)!r}).write_text('x')"
    hangs = program(tmp_path, f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])")
    late = ask(Judge(hangs.command, timeout_s=0.5), FRAMES, "lift", 20)
    assert late.verdict is None and "no answer within 0.5 s" in late.problem
    time.sleep(2.2)
    assert not mark.exists()
    assert "cannot be started" in ask(Judge((str(NOWHERE),)), FRAMES, "lift", 20).problem


def test_a_verdict_is_kept_and_a_failure_is_asked_again(tmp_path: Path) -> None:
    judge = program(tmp_path, "import sys\nsys.exit(1)")
    assert ask(judge, FRAMES, "lift", 20, tmp_path / "kept").verdict is None
    (tmp_path / "judge.py").write_text('print(\'{"verdict": "accept"}\')')
    assert ask(judge, FRAMES, "lift", 20, tmp_path / "kept").verdict == "accept"
    (tmp_path / "judge.py").write_text('print(\'{"verdict": "reject"}\')')
    assert ask(judge, FRAMES, "lift", 20, tmp_path / "kept").verdict == "accept"
    assert ask(judge, FRAMES, "push", 20, tmp_path / "kept").verdict == "reject"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "one of them"),
        ({"command": ("x",), "url": "http://x"}, "one of them"),
        ({"url": "file:///etc/passwd"}, "begins with http"),
        ({"url": "http://x", "frames": 0}, "at least one frame"),
        ({"url": "http://x", "prompt": "{frames}"}, "braces of its own are doubled"),
    ],
)
def test_settings_that_cannot_work(settings: dict, message: str) -> None:
    with pytest.raises(JudgeError, match=message):
        Judge(**settings)
