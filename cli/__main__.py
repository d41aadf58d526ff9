"""``python -m cli`` in a checkout, with nothing installed."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "mapper"), str(ROOT / "cli")]

from neurosim_cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
