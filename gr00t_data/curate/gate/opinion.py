"""The hook for an external judge, such as a vision-language model: frames and a prompt go out, a verdict comes back.

The judge is a program or a URL. It gets one JSON object (on standard input, or as the body of a POST):
``{"prompt": str, "instruction": str, "frames": [{"index": int, "time_s": float, "png_base64": str}]}``, and answers
with one: ``{"verdict": "accept" | "reject", "reason": str}``. Text around the object is passed over, as models add it.
An answer that cannot be used, a timeout, or a judge that fails is a finding, never a verdict.
"""

import base64
import io
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from gr00t_data.disk import digest_json
from gr00t_data.integrity import KEPT, read_kept, write_kept
from gr00t_data.terms.secret_urls import hidden, secrets_of, without_credentials

PROMPT = (
    "The pictures are frames of one video, in order. It should show a robot that is told: {instruction!r}. Does the "
    "video show the robot doing that, with the object that is named, and is what happens physically possible? Answer "
    'with one JSON object: {{"verdict": "accept" or "reject", "reason": "one sentence"}}.'
)
_ANSWER_BYTES = 1 << 20
_SHOWN_LETTERS = 300


class JudgeError(ValueError):
    """Settings of a judge that cannot work; the message says why."""


class _NoVerdict(Exception):
    """The judge gave nothing that can be used."""


@dataclass(frozen=True)
class Judge:
    """Whom to ask, and how.

    Attributes:
        command: program and arguments; empty when ``url`` is given.
        url: http or https address to POST to; empty when ``command`` is given.
        prompt: text with ``{instruction!r}`` or ``{instruction}`` in it.
        frames: pictures sent, evenly spaced.
        side_px: longer side of a picture.
        timeout_s: for one clip.
    """

    command: tuple[str, ...] = ()
    url: str = field(default="", repr=False)
    prompt: str = PROMPT
    frames: int = 8
    side_px: int = 256
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.url):
            raise JudgeError("a judge is a program or a URL; give one of them")
        if self.url and not self.url.startswith(("http://", "https://")):
            # The URL may hold a token, so it is not repeated.
            raise JudgeError(f"the URL of a judge begins with http:// or https://, not {self.url.partition(':')[0]!r}")
        if self.frames < 1 or self.timeout_s <= 0:
            raise JudgeError(f"a judge sees at least one frame in more than 0 s; found {self.frames}, {self.timeout_s}")
        try:
            self.prompt.format(instruction="x")
        except (KeyError, IndexError, ValueError) as error:
            raise JudgeError(
                f"the prompt knows {{instruction}} only; braces of its own are doubled ({error})"
            ) from error


@dataclass(frozen=True)
class Opinion:
    """What the judge said about one clip.

    Attributes:
        verdict: None when there is none.
        reason: the judge's, as it was given.
        prompt: what it was asked.
        problem: why there is no verdict; empty when there is one.
        answer: the beginning of what it answered.
    """

    verdict: Literal["accept", "reject"] | None
    reason: str
    prompt: str
    problem: str = ""
    answer: str = ""
    sampled: list[int] = field(default_factory=list)


def ask(judge: Judge, frames: np.ndarray, instruction: str, fps: float, kept: Path | None = None) -> Opinion:
    """The judge's opinion of one clip.

    Args:
        frames: uint8 [T, H, W, 3].
        fps: frames a second, for the stamps that are sent.
        kept: folder of verdicts given before; the same question is not asked twice. Failures are asked again.
    """
    prompt = judge.prompt.format(instruction=instruction)
    chosen = np.unique(np.linspace(0, len(frames) - 1, judge.frames).round().astype(int)).tolist()
    pictures = [
        {"index": index, "time_s": round(index / fps, 6), "png_base64": _png(frames[index], judge.side_px)}
        for index in chosen
    ]
    question = {"prompt": prompt, "instruction": instruction, "frames": pictures}
    path = None if kept is None else kept / f"{digest_json([judge.command, judge.url, question])[:32]}{KEPT}"
    if path is not None and (known := read_kept(path)):
        return TypeAdapter(Opinion).validate_json(known)
    answer = ""
    try:
        answer = (_run if judge.command else _post)(judge, json.dumps(question).encode())
        verdict, reason = _parsed(answer)
    except _NoVerdict as error:
        return Opinion(None, "", prompt, str(error), answer[:_SHOWN_LETTERS], chosen)
    opinion = Opinion(verdict, reason, prompt, "", answer[:_SHOWN_LETTERS], chosen)
    if path is not None:
        write_kept(path, json.dumps(asdict(opinion)).encode())
    return opinion


def _png(frame: np.ndarray, side_px: int) -> str:
    picture = Image.fromarray(frame)
    picture.thumbnail((side_px, side_px))
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _run(judge: Judge, body: bytes) -> str:
    pipe = subprocess.PIPE
    try:
        # A session of its own, so that a judge that is late dies with all it has started.
        process = subprocess.Popen(judge.command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)  # noqa: S603 - the program is the user's own choice
    except OSError as error:
        raise _NoVerdict(f"{judge.command[0]}: cannot be started ({error.strerror})") from error
    try:
        out, err = process.communicate(body, timeout=judge.timeout_s)
    except subprocess.TimeoutExpired as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise _NoVerdict(f"{judge.command[0]}: no answer within {judge.timeout_s:g} s") from error
    if process.returncode:
        said = err.decode("utf-8", "replace").strip()[-_SHOWN_LETTERS:]
        raise _NoVerdict(f"{judge.command[0]}: ended with status {process.returncode}: {said}")
    return out[:_ANSWER_BYTES].decode("utf-8", "replace")


def _post(judge: Judge, body: bytes) -> str:
    kind = {"Content-Type": "application/json"}
    request = urllib.request.Request(judge.url, data=body, headers=kind)  # noqa: S310 - http and https only, see Judge
    end, shown = time.monotonic() + judge.timeout_s, without_credentials(judge.url)
    try:
        with urllib.request.urlopen(request, timeout=judge.timeout_s) as reply:  # noqa: S310
            parts, size = [], 0
            while size < _ANSWER_BYTES and (part := reply.read1(1 << 16)):
                parts.append(part)
                size += len(part)
                if time.monotonic() > end:  # a server may send a byte now and then for ever
                    raise TimeoutError
            return b"".join(parts).decode("utf-8", "replace")
    except TimeoutError as error:
        raise _NoVerdict(f"{shown}: no answer within {judge.timeout_s:g} s") from error
    except urllib.error.HTTPError as error:
        raise _NoVerdict(f"{shown}: answered with status {error.code}") from error
    except (OSError, ValueError) as error:
        late = isinstance(getattr(error, "reason", None), TimeoutError)
        reason = hidden(secrets_of(judge.url), str(error))
        what = f"no answer within {judge.timeout_s:g} s" if late else f"cannot be reached ({reason})"
        raise _NoVerdict(f"{shown}: {what}") from error


def _parsed(answer: str) -> tuple[Literal["accept", "reject"], str]:
    first, last = answer.find("{"), answer.rfind("}")
    if first < 0 or last < first:
        raise _NoVerdict("the answer holds no JSON object")
    try:
        value = json.loads(answer[first : last + 1])
    except ValueError as error:
        raise _NoVerdict(f"the answer is not JSON ({error})") from error
    verdict = value.get("verdict") if isinstance(value, dict) else None
    if verdict not in ("accept", "reject"):
        raise _NoVerdict(f"the verdict is {verdict!r}, expected 'accept' or 'reject'")
    return verdict, str(value.get("reason", ""))
