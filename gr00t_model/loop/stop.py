"""Being asked to stop: by a signal, or by the death of whoever started the trainer."""

import os
import signal
import sys
import threading
import time
from types import FrameType, TracebackType

WATCH_VARIABLE = "GR00T_WATCH_STDIN"
"""When this is ``1`` the trainer reads its standard input, a pipe held by its parent: its end means the parent died."""

INTERRUPTED_STATUS = 75
"""Exit status of a trainer that was asked to stop and saved its state first (EX_TEMPFAIL of sysexits.h: try again)."""

_ORPHAN_GRACE_S = 60.0


class Stopped(RuntimeError):
    """A training that was asked to stop, and saved its state first; the same call goes on from there."""


class StopRequest:
    """Turns SIGTERM, SIGINT and a dead parent into a flag that the loop reads between two steps.

    A context manager: the former signal handlers come back at the end.

    Attributes:
        reason: why to stop; None: go on.
        working: set by the loop before its first step. Before that nothing is worth a wait: a trainer whose parent
            died ends at once.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.working = False
        self._former: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        self._former = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        if os.environ.get(WATCH_VARIABLE) == "1":
            threading.Thread(target=self._watch_parent, name="watch-parent", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.reason = signal.Signals(number).name

    def _watch_parent(self) -> None:
        """A pipe is closed by the kernel however its owner dies, so this also covers SIGKILL."""
        while os.read(sys.stdin.fileno(), 1024):
            pass
        self.reason = self.reason or "the process that started the training is gone"
        if self.working:
            time.sleep(_ORPHAN_GRACE_S)
        os._exit(INTERRUPTED_STATUS)
