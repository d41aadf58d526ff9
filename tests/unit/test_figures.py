"""PNG figures: every one that a run has data for; one clear sentence where they fail."""

from __future__ import annotations

import numpy as np
import pytest
from support.chain import chain_program, chain_run

from neurosim.errors import UsageError
from neurosim.report import compare_runs
from neurosim.report.figures import comparison_figures, floor_plan_figure, run_figures
from neurosim.report.view import view_of_run


def _is_png(path):
    return path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_figures_of_a_run(tmp_path):
    view = view_of_run(chain_run(np.array([[5, 0, 3]]), noc="cycle"))
    files = run_figures(view, tmp_path / "figures")
    assert {path.stem for path in files} == {
        "energy_by_part", "energy_by_layer", "tick_time", "floor_plan", "link_load",
        "packet_latency",
    }  # fmt: skip
    assert all(_is_png(path) for path in files)


def test_figures_of_a_comparison_and_a_program(tmp_path):
    data = chain_run(np.array([[5, 0, 3]])).report().to_dict()
    files = comparison_figures(compare_runs({"a": data, "b": data}), tmp_path)
    files.append(floor_plan_figure(chain_program(), tmp_path / "plan.png"))
    assert all(_is_png(path) for path in files)
    with pytest.raises(UsageError, match="cannot be written"):
        floor_plan_figure(chain_program(), files[0] / "plan.png")
