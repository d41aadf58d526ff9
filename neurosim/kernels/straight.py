"""Spikes that go straight: one packet by the chip's own way to one axon of a crossbar core.

This is what neurons of a TrueNorth chip do. One pass over the list of what fired counts the
sender, loads the links of the way and sets the bit of the axon; whoever sends more, or otherwise,
stays in the list for the general passes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.kernels.bits import AHEAD, prefetch, prefetch_row
from neurosim.kernels.traffic import load_packet

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

COUNTABLE: Final = 255  # ticks after which a byte of `recent` may be full


@kernel
def send_straight(
    outlet: Any,
    crossbar: Any,
    traffic: Any,
    fired: Any,
    bits: Any,
    loads: Any,
    recent: U8,
    worker: int,
    tick: int,
    span: int,
) -> None:
    """Send what goes straight and take it out of the list.

    Senders are counted in `recent`, bytes that `count_recent` empties in time. They lie scattered
    over tables that no cache holds, so the lines are asked for ahead.
    """
    place, word_core, first_tick = outlet.bit, crossbar.word_core, crossbar.first_tick
    if outlet.bit_offset.size > 1 or place.shape[0] == 0:
        return
    owner, core, value, copies = (
        fired.owner[worker],
        fired.core[worker],
        fired.value[worker],
        fired.copies[worker],
    )
    ready, begin = fired.ready[worker], fired.begin[worker]
    change, direct, mine = loads.change[worker], loads.direct[worker], bits[worker].reshape(-1)
    n_slots, n_words, uniform = bits.shape[1], bits.shape[2], first_tick.size == 1
    now, n, kept = tick % n_slots, fired.n[worker, 0], 0
    for k in range(n):
        far = np.int64(owner[np.uint64(min(k + 2 * AHEAD, n - 1))])
        near = np.uint64(owner[np.uint64(min(k + AHEAD, n - 1))])
        prefetch_row(place, far)
        prefetch(recent, far)
        prefetch(mine, _word(place[near, 0], place[near, 1], now, n_slots, n_words))
        i = np.uint64(owner[np.uint64(k)])
        position, delay = np.int64(place[i, 0]), np.int64(place[i, 1])
        if delay < 0:
            owner[kept], core[kept], value[kept], copies[kept] = i, core[k], value[k], copies[k]
            ready[kept], begin[kept] = ready[k], begin[k]
            kept += 1
            continue
        recent[i] += np.uint8(1)
        if position < 0:
            continue
        target = np.uint64(word_core[np.uint64(position >> 6)])
        load_packet(
            traffic, change, direct, np.int64(0), np.uint64(core[np.uint64(k)]), target, np.int32(1)
        )
        if tick + delay < first_tick[np.uint64(0 if uniform else position >> 6)] + span:
            word = np.uint64(_word(position, delay, now, n_slots, n_words))
            mine[word] |= np.uint64(1) << np.uint64(position & 63)
    fired.n[worker, 0] = kept


@kernel
def count_recent(recent: U8, sent: I64, shares: Any, worker: int) -> None:
    """Add what this worker's neurons have sent of late to `sent`."""
    if recent.size > 0:
        for i in range(shares.first_neuron[worker], shares.first_neuron[worker + 1]):
            sent[i] += np.int64(recent[i])
            recent[i] = 0


@kernel
def _word(position: int, delay: int, now: int, n_slots: int, n_words: int) -> int:
    """Word of the axon's bit in the slot of its tick; word 0 without an axon, without a delay."""
    slot = np.int64(now) + (np.int64(delay) if delay > 0 else np.int64(0))
    slot -= np.int64(n_slots) if slot >= n_slots else np.int64(0)
    return slot * n_words + (np.int64(position) >> 6 if position > 0 else np.int64(0))
