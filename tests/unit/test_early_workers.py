"""Worker processes: gone soon after their leader, however that ended."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FOLLOW = "import sys, time; from neurosim.cluster.early import leave_with; "


@pytest.mark.skipif(os.name != "posix", reason="only POSIX tells whether a process is there")
def test_a_worker_leaves_with_its_leader():
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    leader = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    words = f"{FOLLOW} leave_with({leader.pid}); print('following', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", words], env=path, stdout=-1) as follower:
        assert follower.stdout.readline() == b"following\n"
        assert follower.poll() is None
        leader.kill()
        leader.wait()
        assert follower.wait(timeout=20) == 1
