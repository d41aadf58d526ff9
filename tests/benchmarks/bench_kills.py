"""250 kills of map, simulate, compare, stream and sweep, at any moment: old result or new one."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in (".", "mapper", "cli", "tests")]

KILLS_EACH = int(sys.argv[1]) if len(sys.argv) > 1 else 50


def main() -> None:
    from support.kills import VICTIMS, kill_often, prepare

    for name in VICTIMS:
        with tempfile.TemporaryDirectory() as folder:
            prepare(Path(folder))
            found = kill_often(name, Path(folder), KILLS_EACH, seed=0)
            print(f"{name:10} {KILLS_EACH} kills: {found['old']} old, {found['new']} new")


if __name__ == "__main__":
    main()
