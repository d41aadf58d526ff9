"""Shared kernels as kernels of the tick read them: weights once, geometry as small tables.

A core sums with its channels innermost: (rows, columns, channels) of its outputs. The kernel's rows
and columns are stored in the order in which neighbouring outputs meet a source, so that what an
event adds in one row of outputs is one *run*: neighbouring weights onto neighbouring sums. Cores
with the same axons, neurons and places share one *plan*, tiles with the same kernel its weights.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.offsets import offsets_of
from neurosim.program.columns import SYNAPSE_FORMATS, Program
from neurosim.program.kernel_places import meetings
from neurosim.program.kernels import sparse_is_smaller

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


class SharedKernels(NamedTuple):
    """Cores that keep kernels; offset tables have a row more than what they are of."""

    plan: I64  # (n_cores,) -1 for cores of other formats
    tile_offset: I64  # (n_cores + 1,) into `kernel`
    kernel: I64  # (n_tiles,) where the tile's kernel begins in `weight`
    weight: npt.NDArray[Any]  # of each kernel (channels_in, high * wide in order, channels_out)
    axon_offset: I64  # (n_plans + 1,) into `hit_offset`
    hit_offset: I32  # (n_axons of all plans + 1,) an axon has a hit per tile that hears it
    hit_position: I32  # where in the image the source is; numbered over all plans
    hit_weight: I32  # first weight of its channel, counted from the kernel's first
    position_offset: I64  # (n_plans + 1,)
    position_tile: I32  # counted from the core's first tile
    run_offset: I32  # (n_positions + 1,)
    run_sum: I32  # first sum that a run adds to
    run_weight: I32  # first weight of a run, counted from that of the channel
    run_size: I32
    neuron_offset: I64  # (n_plans + 1,) into `neuron`
    neuron: I32  # neuron of each sum of a plan, counted from the core's first
    room: I64  # (2,) most positions of a plan, and most hits with room to complete them

    @property
    def nbytes(self) -> int:
        """Memory of all columns."""
        return sum(int(column.nbytes) for column in self)


_EVENT_NS: Final = 25.0
"""What an event of a core with kernels takes, and every run and weight that it adds, in ns."""
_RUN_NS: Final = 4.0
_WEIGHT_NS: Final = 0.06
_SPARSE_NS: Final = 1.0  # a synapse of a sparse row
_DENSE_NS: Final = 0.08  # a cell of a dense row


class _Plan(NamedTuple):
    """What one core, or several alike, add for an event."""

    hits: I64  # (n_axons,) of each axon
    position: I64  # (n_hits,) by axon
    channel: I64  # (n_hits,) weights before those of its channel
    tile: I64  # (n_positions,)
    runs: I64  # (n_positions,) of each position
    run: I64  # (3, n_runs) sum, weight, size
    neuron: I64  # (n_neurons,)


def cores_to_write_out(program: Program) -> I64:
    """Cores of format `kernel` that are quicker with a weight per synapse.

    By what an event takes, measured with convolutions of 1 to 32 channels, pools and the gesture
    network of ``tests/benchmarks``: a pool has one synapse per event, and a block of few neurons is
    added as a whole. Rows like these are short: at most some hundred bytes per axon.
    """
    cores, item = program.cores, program.kernels.weight.itemsize
    alike = program.alike_kernels.places
    found, written = dict[int, bool](), []
    for core in np.flatnonzero(cores.synapse_format == SYNAPSE_FORMATS["kernel"]).tolist():
        model = int(alike[core])
        if model not in found:
            width = int(np.diff(cores.neuron_offset[core : core + 2])[0])
            found[model] = _is_quicker_written_out(_make_plan(program, core), width, item)
        if found[model]:
            written.append(core)
    return np.array(written, np.int64)


def _is_quicker_written_out(plan: _Plan, width: int, itemsize: int) -> bool:
    n_axons = max(plan.hits.size, 1)
    cells = np.zeros(plan.tile.size)
    np.add.at(cells, np.repeat(np.arange(plan.tile.size), plan.runs), plan.run[2])
    n_runs, n_cells = plan.runs[plan.position].sum() / n_axons, cells[plan.position].sum() / n_axons
    sparse = sparse_is_smaller(int(n_cells * n_axons), width * n_axons, itemsize)
    rows_ns = n_cells * _SPARSE_NS if sparse else width * _DENSE_NS
    return bool(rows_ns < _EVENT_NS + n_runs * _RUN_NS + n_cells * _WEIGHT_NS)


def make_shared(program: Program) -> SharedKernels:
    """Plans and weights of all cores of format `kernel`.

    Weights of all formats have one type: kernels of the tick are compiled for two cases, not four.
    """
    kernels, alike, synapses = program.kernels, program.alike_kernels, program.synapses
    tables = (synapses.dense, synapses.weight, kernels.weight)
    is_narrow = {table.dtype for table in tables if table.size} <= {np.dtype(np.int8)}
    dtype = np.dtype(np.int8 if is_narrow else np.int16)
    tiles = np.argsort(kernels.core, kind="stable")
    stored, weights, end = dict[tuple[int, int, int], int](), [np.empty(0, dtype)], 0
    kernel = np.zeros(tiles.size, np.int64)
    for k, tile in enumerate(tiles.tolist()):
        steps = _steps(program, tile)
        key = (int(alike.weights[tile]), *steps)
        if key not in stored:
            stored[key] = end
            weights.append(_ordered(program, tile, steps).astype(dtype))
            end += weights[-1].size
        kernel[k] = stored[key]
    is_kernel = program.cores.synapse_format == SYNAPSE_FORMATS["kernel"]
    models, which = np.unique(alike.places[is_kernel], return_inverse=True)
    models = np.flatnonzero(is_kernel)[np.unique(which, return_index=True)[1]]
    plan = np.full(program.n_cores, -1, np.int64)
    plan[is_kernel] = which
    return SharedKernels(
        plan=plan,
        tile_offset=offsets_of(np.bincount(kernels.core, minlength=program.n_cores)),
        kernel=kernel,
        weight=np.concatenate(weights),
        **_columns([_make_plan(program, core) for core in models.tolist()]),
    )


def _columns(plans: list[_Plan]) -> dict[str, Any]:
    """Plans one after the other, their positions numbered over all of them."""
    first = offsets_of([plan.tile.size for plan in plans])
    numbered = [plan.position + start for plan, start in zip(plans, first[:-1], strict=True)]

    def joined(parts: list[I64]) -> I64:
        return np.concatenate([np.empty(0, np.int64), *parts])

    runs = np.concatenate([np.empty((3, 0), np.int64), *(plan.run for plan in plans)], axis=1)
    most_hits = max((plan.position.size for plan in plans), default=0)
    most_positions = int(np.diff(first).max(initial=0))
    return {
        "axon_offset": offsets_of([plan.hits.size for plan in plans]),
        "hit_offset": offsets_of(joined([plan.hits for plan in plans])).astype(np.int32),
        "hit_position": joined(numbered).astype(np.int32),
        "hit_weight": joined([plan.channel for plan in plans]).astype(np.int32),
        "position_offset": first,
        "position_tile": joined([plan.tile for plan in plans]).astype(np.int32),
        "run_offset": offsets_of(joined([plan.runs for plan in plans])).astype(np.int32),
        "run_sum": runs[0].astype(np.int32),
        "run_weight": runs[1].astype(np.int32),
        "run_size": runs[2].astype(np.int32),
        "neuron_offset": offsets_of([plan.neuron.size for plan in plans]),
        "neuron": joined([plan.neuron for plan in plans]).astype(np.int32),
        "room": np.array([most_positions, 2 * most_hits + 4 * most_positions]),
    }


def _make_plan(program: Program, core: int) -> _Plan:
    """The tiles of a core, one after the other."""
    kernels, cores = program.kernels, program.cores
    tiles = np.flatnonzero(kernels.core == core).tolist()
    n_axons = int(np.diff(cores.axon_offset[core : core + 2])[0])
    place, parts, n_positions = _places(program, core, tiles), [], 0
    for number, tile in enumerate(tiles):
        found, steps = meetings(kernels, tile), _steps(program, tile)
        n = slice(*kernels.neuron_offset[tile : tile + 2])
        high, wide, n_out = (
            int(c[tile]) for c in (kernels.high, kernels.wide, kernels.channels_out)
        )
        cell = _order(high, steps[0])[found.row] * wide + _order(wide, steps[1])[found.column]
        weight = cell * n_out + kernels.neuron_channel[n][found.neuron]
        first = int(kernels.neuron_start[tile] - cores.neuron_offset[core])
        runs, run = _runs(found.place, place[found.neuron + first], weight, found.n_positions)
        a = slice(*kernels.axon_offset[tile : tile + 2])
        channel = kernels.axon_channel[a].astype(np.int64) * (high * wide * n_out)
        axon = kernels.axon[a] - cores.axon_offset[core]
        of_tile = np.full(found.n_positions, number)
        parts.append((axon, found.position + n_positions, channel, of_tile, runs, run))
        n_positions += found.n_positions
    empty = np.empty(0, np.int64)
    axon, position, channel, tile_of, n_runs, run = (
        np.concatenate([none, *column], axis=-1)
        for none, *column in zip((*5 * (empty,), np.empty((3, 0), np.int64)), *parts, strict=True)
    )
    order = np.argsort(axon, kind="stable")
    hits = np.bincount(axon, minlength=n_axons)
    return _Plan(hits, position[order], channel[order], tile_of, n_runs, run, np.argsort(place))


def _places(program: Program, core: int, tiles: list[int]) -> I64:
    """(n_neurons,) sum of each neuron: rows, columns, channels of the first tile that it is in."""
    kernels, cores = program.kernels, program.cores
    n_neurons = int(np.diff(cores.neuron_offset[core : core + 2])[0])
    keys = np.zeros((4, n_neurons), np.int64)
    keys[0] = len(tiles)
    for number, tile in reversed(list(enumerate(tiles))):
        n = slice(*kernels.neuron_offset[tile : tile + 2])
        first = int(kernels.neuron_start[tile] - cores.neuron_offset[core])
        mine = slice(first, first + n.stop - n.start)
        keys[0, mine] = number
        keys[1, mine], keys[2, mine] = kernels.neuron_row[n], kernels.neuron_column[n]
        keys[3, mine] = kernels.neuron_channel[n]
    place = np.empty(n_neurons, np.int64)
    place[np.lexsort(keys[::-1])] = np.arange(n_neurons)
    return place


def _runs(position: I64, total: I64, weight: I64, n_positions: int) -> tuple[I64, I64]:
    """How many runs each position has, and (3, n_runs) sum, weight and size of all."""
    order = np.lexsort((total, position))
    position, total, weight = position[order], total[order], weight[order]
    goes_on = (position[1:] == position[:-1]) & (total[1:] == total[:-1] + 1)
    goes_on &= weight[1:] == weight[:-1] + 1
    first = np.flatnonzero(np.r_[True, ~goes_on][: position.size])
    size = np.diff(np.r_[first, position.size])
    counts = np.bincount(position[first], minlength=n_positions)
    return counts, np.stack([total[first], weight[first], size])


def _steps(program: Program, tile: int) -> tuple[int, int]:
    """By how many kernel rows, and columns, neighbouring outputs meet a source apart."""
    kernels = program.kernels
    n = slice(*kernels.neuron_offset[tile : tile + 2])
    result = []
    for starts, dilation in (
        (kernels.neuron_row[n], int(kernels.dilation_high[tile])),
        (kernels.neuron_column[n], int(kernels.dilation_wide[tile])),
    ):
        distances = np.diff(np.unique(starts).astype(np.int64))
        step, rest = divmod(int(distances.min(initial=np.iinfo(np.int32).max)), dilation)
        result.append(step if distances.size and not rest else 1)
    return result[0], result[1]


def _order(size: int, step: int) -> I64:
    """(size,) where each row or column of a kernel is stored: those `step` apart, falling."""
    index, order = np.arange(size), np.empty(size, np.int64)
    order[np.lexsort((-index, index % step))] = index
    return order


def _ordered(program: Program, tile: int, steps: tuple[int, int]) -> npt.NDArray[Any]:
    """The kernel of a tile as it is stored, in one row."""
    kernels = program.kernels
    shape = [int(c[tile]) for c in (kernels.channels_in, kernels.high, kernels.wide)]
    kernel = kernels.weight[slice(*kernels.weight_offset[tile : tile + 2])].reshape(*shape, -1)
    rows, columns = (np.argsort(_order(n, step)) for n, step in zip(shape[1:], steps, strict=True))
    return kernel[:, rows][:, :, columns].ravel()
