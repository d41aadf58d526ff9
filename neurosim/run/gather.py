"""From what players counted, each for itself, to the columns of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.clock.model import Player
from neurosim.cost.counters import BOUNDS, Counters
from neurosim.cost.network_stats import NetworkStats
from neurosim.pages import zeros
from neurosim.program.columns import Program
from neurosim.run.state import Tally, TickCosts
from neurosim.run.windows import binding_numbers, plan_windows

I64 = npt.NDArray[np.int64]

_BLOCK: Final = 1 << 16  # senders whose packets are counted at a time


def gathered_counters(
    program: Program,
    tallies: Sequence[Tally],
    costs: I64,
    busy_cycles: I64,
    players: Sequence[Player] = (),
    carried: I64 | None = None,
) -> Counters:
    """The counters of a run.

    Parameters
    ----------
    tallies : of each player.
    costs : (n_passes, len(TickCosts), n_chip_ticks). busy_cycles : (n_passes, n_chip_ticks).
    players : that timed the passes; they know what a folded program reloaded.
    carried : (n_passes,) samples of each pass, if they are interleaved.
    """
    field_of = {name: costs[:, i] for i, name in enumerate(TickCosts._fields)}
    tally = tallies[0]
    if len(tallies) > 1:
        tally = Tally(*(np.sum(columns, axis=0) for columns in zip(*tallies, strict=True)))
    return Counters(
        core=np.ascontiguousarray(tally.core.T),
        flow_packets=_flow_packets(program, tally),
        bounds=np.stack([field_of[name] for name in BOUNDS], axis=-1),
        busy_cycles=busy_cycles,
        peak_bits=field_of["peak_bits"],
        peak_link=field_of["peak_link"],
        binding=_binding(program, field_of),
        **_windows(program, tally, costs.shape[2]),
        **reload_columns(players, busy_cycles.shape),
        **({} if carried is None else {"carried": carried}),
    )


def _binding(program: Program, costs: Mapping[str, I64]) -> I64:
    """(n_passes, n_chip_ticks, 3) which core, core, and link or port sets each bound."""
    resource = costs["traffic_resource"]
    numbers = np.append(binding_numbers(program), -1)
    names = (costs["compute_core"], costs["memory_core"], numbers[resource])
    return np.stack(names, axis=-1)


def _windows(program: Program, tally: Tally, n_chip_ticks: int) -> dict[str, I64]:
    """The columns of `Counters` that are kept by window; links without traffic are left out."""
    bits = tally.window_bits
    used = np.flatnonzero(bits.any(axis=0))
    return {
        "window_start": plan_windows(program.image, n_chip_ticks).starts(),
        "window_link": program.image.traffic.link[used].astype(np.int64),
        "window_bits": bits if used.size == bits.shape[1] else np.take(bits, used, axis=1),
        "window_core_time": np.stack([tally.window_compute, tally.window_memory], axis=1),
    }


def _flow_packets(program: Program, tally: Tally) -> I64:
    """Packets on each flow: a sender sends each of its packets equally often."""
    result: I64 = zeros(program.flows.kind.size, np.int64)
    for table, sent in (
        (program.packets, tally.sent),
        (program.input_packets, tally.sent_inputs),
    ):
        for first in range(0, sent.size, _BLOCK):
            block = sent[first : first + _BLOCK]
            offset = table.owner_offset[first : first + block.size + 1]
            np.add.at(result, table.flow[offset[0] : offset[-1]], np.repeat(block, np.diff(offset)))
    fragments = np.flatnonzero(program.groups.psum_target >= 0)
    np.add.at(result, program.groups.psum_flow[fragments], tally.sent_psums[fragments])
    return result


def reload_columns(players: Sequence[Player], shape: tuple[int, ...]) -> dict[str, I64]:
    """The columns of `Counters` about reloads, each of `shape`; none unless folded.

    A player has timed its samples one after the other, each in one piece or several.
    """
    pieces = [piece for player in players for piece in player.reloads or ()]
    return {
        name: np.concatenate([piece[i] for piece in pieces]).reshape(shape)
        for i, name in enumerate(("reload_bits", "reload_cycles"))
        if pieces
    }


def joined_network(parts: Sequence[NetworkStats | None]) -> NetworkStats | None:
    """What the networks of all parts saw together; None with the ideal network."""
    seen = [part for part in parts if part is not None]
    return sum(seen[1:], seen[0]) if seen else None
