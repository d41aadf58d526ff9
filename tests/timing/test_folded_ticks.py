"""Ticks of folded programs by hand: a chain of three cores on a chip that has one.

One weight of 8 bit and one potential of 24 bit per core: 8 + 2 x 24 = 56 bit a tick, 14 cycles at
0.25 cycles per bit. A packet for a core that is not loaded: 6 bit for one of 64 axons and 8 for the
value, written and read: 28 bit, 7 cycles in the phase of its sender.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.chain import chain_chip, chain_network, chain_program

import neurosim
from neurosim.clock import folded
from neurosim.errors import InputFileError
from neurosim.files.archive import read_archive, write_archive
from neurosim.program.check import check_program
from neurosim.program.columns import PROGRAM_SCHEMA, load_program
from neurosim.recoding import simulate_recoded
from neurosim.report.floor_plan import floor_plan
from neurosim.run.state import allocate_log
from neurosim_mapper.pipeline import map_network

CHIP = chain_chip(grid={"wide": 1, "high": 1})


@pytest.fixture(scope="module")
def program():
    return map_network(chain_network(CHIP), CHIP, placer="row-major", fold="auto")


@pytest.fixture(scope="module")
def one_value(program):
    """A single value: relay after relay handles it in ticks 0, 1, 2, in phases 0, 1, 2."""
    return neurosim.simulate(program, np.full((1, 1, 1), 5), threads=1)


def test_one_core_three_phases(program):
    assert program.cores.phase.tolist() == [0, 1, 2]
    assert program.cores.x.tolist() == program.cores.y.tolist() == [0, 0, 0]


def test_the_floor_plan_shows_that_layers_share_a_core(program):
    assert floor_plan(program).splitlines()[1] == "*"


def test_reloads(one_value):
    """Tick 0: the host's packet and that of relay 0 wait; tick 1: that of relay 1; none later."""
    counters = one_value.counters
    assert counters.reload_bits.tolist() == [[3 * 56 + 2 * 28, 3 * 56 + 28, 3 * 56]]
    assert counters.reload_cycles.tolist() == [[14 * 3 + 2 * 7, 14 * 3 + 7, 14 * 3]]


def test_busy_cycles(one_value):
    """A relay computes 0.5 + 1 + 1 = 2.5 cycles; in tick 0 two packets of two flits come in."""
    busy = np.array([4, 3, 3])
    reloads = one_value.counters.reload_cycles[0]
    assert one_value.counters.busy_cycles.tolist() == [(busy + reloads).tolist()]
    assert one_value.counters.bounds[0].tolist() == [[3, 2, 4], [3, 2, 2], [3, 2, 2]]


def test_time_and_energy(program, one_value):
    report = one_value.report()
    assert report.counts["reload_cycles"] == 14 * 9 + 3 * 7
    assert report.counts["reload_bits"] == 9 * 56 + 3 * 28
    (reload,) = (term for term in report.energy.terms if term.counter == "reload_bits")
    assert (reload.part, reload.energy_pj) == ("io", 3.0 * (9 * 56 + 3 * 28))
    assert report.program["phases"] == 3


def test_samples_and_windows_add_up(program):
    """Several samples in one job: counters and windows are those of the samples one by one."""
    x = np.array([[[5], [0], [3]], [[0], [0], [7]]])
    both = neurosim.simulate(program, x, threads=1).counters
    single = [neurosim.simulate(program, x[i : i + 1], threads=1).counters for i in (0, 1)]
    for name in ("core", "window_core_time", "flow_packets"):
        expected = sum(getattr(counters, name) for counters in single)
        np.testing.assert_array_equal(getattr(both, name), expected, err_msg=name)
    np.testing.assert_array_equal(
        both.reload_bits, np.concatenate([counters.reload_bits for counters in single])
    )


def test_pieces_with_more_packets_than_the_log_has_room(program, monkeypatch):
    """A piece whose log was too small is played again, from the state in which it began."""
    x = np.random.default_rng(0).integers(0, 9, (1, 9, 1))
    whole = neurosim.simulate(program, x, threads=1)
    monkeypatch.setattr(folded, "allocate_log", lambda n_ticks, _: allocate_log(n_ticks, 1))
    run = neurosim.simulate_chunks(program, [x[0, :2], x[0, 2:3], x[0, 3:]], 9)
    np.testing.assert_array_equal(run.outputs, whole.outputs)
    for name, column in whole.counters.columns().items():
        np.testing.assert_array_equal(run.counters.columns()[name], column, err_msg=name)


def test_cores_with_a_place_of_their_own_keep_everything():
    """Three phases on three places: nothing is reloaded, phases still follow each other."""
    apart = chain_program()
    phased = replace(apart, cores=apart.cores._replace(phase=np.array([0, 1, 2], np.int32)))
    run = neurosim.simulate(phased, np.full((1, 4, 1), 5), threads=1)
    plain = neurosim.simulate(apart, np.full((1, 4, 1), 5), threads=1)
    assert not run.counters.reload_bits.any()
    assert run.counters.bounds[0, :, 0].max() == 3 * plain.counters.bounds[0, :, 0].max()


def test_one_logical_core_per_place_and_phase(program):
    same = replace(program, cores=program.cores._replace(phase=np.array([0, 1, 1], np.int32)))
    assert str(check_program(same)[0]) == (
        "placement: (0, 0) in phase 1 needs one core per place, the limit is 1."
    )
    gap = replace(program, cores=program.cores._replace(phase=np.array([0, 1, 3], np.int32)))
    assert str(check_program(gap)[0]) == (
        "structure: cores.phase needs phases 0..3, 3 of them, the limit is phases counted from 0 "
        "without gaps."
    )


def test_files(program, tmp_path):
    """Phases survive the file; a file from before there were any holds a program of one phase."""
    path = tmp_path / "folded.nsp"
    program.save(path)
    assert load_program(path).cores.phase.tolist() == [0, 1, 2]
    chain_program().save(path)
    meta, columns = read_archive(path, PROGRAM_SCHEMA)
    del columns["cores.phase"]
    write_archive(path, PROGRAM_SCHEMA, meta, columns)
    assert load_program(path).n_phases == 1
    del columns["cores.x"]
    write_archive(path, PROGRAM_SCHEMA, meta, columns)
    with pytest.raises(InputFileError, match=r"not a complete program \('cores\.x'\)"):
        load_program(path)


def test_every_subtick_of_a_code_loads_all_phases(program):
    """phase:8 of one value 5 = 101: a packet of 6 bits for an axon in two of 8 sub-ticks.

    The host sends a value in sub-tick 0 of tick 0; relays 0 and 1 send in ticks 0 and 1.
    """
    run = simulate_recoded(program, np.full((1, 1, 1), 5), "phase:8")
    assert run.counters.reload_bits.shape == (1, 3 * 8)
    spikes = 2 * 2 * 6
    assert run.counters.reload_bits.sum() == 24 * 3 * 56 + 28 + 2 * spikes
    assert (run.counters.busy_cycles >= run.counters.reload_cycles).all()
    assert run.report().counts["reload_bits"] == run.counters.reload_bits.sum()
