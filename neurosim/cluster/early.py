"""Worker processes of this machine that begin at once: forked from one that has loaded everything.

A fresh process spends two seconds on modules and kernels before it computes anything. Here one
process, the server, does that for all workers, beside the caller, who meanwhile reads files; a
worker is then a copy of the server and begins at once.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from functools import cache
from typing import Final

CHECK_SECONDS: Final = 1.0


def serve_workers(modules: Sequence[str]) -> None:
    """Have joblib's workers forked from a process that loads `modules` from now on.

    To be called by a program, not by a library: the choice holds for the whole process, and a
    worker reads the main module again. It makes no difference to results. Where processes are not
    forked safely (anywhere but on Linux) workers start as joblib starts them.
    """
    if sys.platform != "linux":
        return
    from multiprocessing import forkserver

    forkserver.set_forkserver_preload(list(modules))
    forkserver.ensure_running()
    from joblib.externals.loky.backend.context import set_start_method

    set_start_method("forkserver", force=True)


@cache
def leave_with(leader: int) -> None:
    """In a worker: end this process soon after the process `leader`, even if that was killed."""
    if os.name == "posix":
        threading.Thread(target=_watch, args=(leader,), daemon=True).start()


def _watch(leader: int) -> None:
    while True:
        time.sleep(CHECK_SECONDS)
        try:
            os.kill(leader, 0)  # no signal, only the question whether it is there
        except ProcessLookupError:
            os._exit(1)
