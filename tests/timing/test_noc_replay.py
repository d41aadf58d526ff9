"""Packets of a public reference simulator, played again: every cycle has to be the same."""

import re
from pathlib import Path

import numpy as np
import pytest

from neurosim.noc.model import Noc
from neurosim.noc.replay import read_trace, replay, write_trace

DATA = Path(__file__).parents[1] / "data" / "noc"
TRACES = sorted(DATA.glob("*.csv.gz"))


def noc_of(path):
    """The network and the flits per packet that the name of a trace stands for."""
    name = re.fullmatch(r"m(\d+)_\w+?_r\d+_vc(\d)_b(\d+)_ps(\d+)_(\w+)\.csv\.gz", path.name)
    k, vcs, buffer, flits = (int(name[i]) for i in range(1, 5))
    noc = Noc(width=k, height=k, n_vcs=vcs, buffer_flits=buffer, pipeline=name[5])
    return noc, flits


def test_traces_are_there():
    assert len(TRACES) == 4


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.name.removesuffix(".csv.gz"))
def test_every_cycle_equals_the_trace(path):
    noc, flits = noc_of(path)
    trace = read_trace(path)
    played = replay(noc, trace, flits)
    np.testing.assert_array_equal(played.result.inject_cycle, trace.itime)
    np.testing.assert_array_equal(played.result.arrive_cycle, trace.atime)
    np.testing.assert_array_equal(played.result.hops, trace.hops)
    assert len(played.differing) == 0


def test_a_changed_cycle_is_found(tmp_path):
    noc, flits = noc_of(TRACES[0])
    trace = read_trace(TRACES[0])
    trace.atime[17] += 1
    assert replay(noc, trace, flits).differing.tolist() == [17]


def test_written_trace_plays_the_same(tmp_path):
    noc, flits = noc_of(TRACES[1])
    trace = read_trace(TRACES[1])
    path = tmp_path / "again.csv"
    write_trace(path, trace, replay(noc, trace, flits).result)
    again = read_trace(path)
    assert len(replay(noc, again, flits).differing) == 0


def test_general_pipeline_with_2_1_1_is_single():
    noc, flits = noc_of(TRACES[3])
    trace = read_trace(TRACES[3])
    general = noc.model_copy(
        update={"pipeline": "general", "router_cycles": 2, "link_cycles": 1, "credit_cycles": 1}
    )
    assert len(replay(general, trace, flits).differing) == 0
