"""What changes while samples run: arrays allocated once, cast once.

`State` is what the samples of a job change as they run, `Tally` what is counted, `TickCosts` the
bounds of every tick, `PacketLog` the packets for the cycle-level network. All are NamedTuples of
arrays over all cores. The read-only side is `neurosim.image.build`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.image.build import Image
from neurosim.kernels.batches import BATCH
from neurosim.kernels.bits import AT_LEAST
from neurosim.kernels.copies import BEYOND
from neurosim.kernels.crossbar import CORES_KEPT
from neurosim.kernels.products import COLUMNS
from neurosim.offsets import offsets_of
from neurosim.pages import worst_case, zeros
from neurosim.soma.liaf import SomaState

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

CORE_COUNTS: Final = (
    "axon_events",  # packets integrated: spikes and values
    "synaptic_ops",  # spikes x connected synapses
    "macs",  # values x connected synapses
    "row_reads",  # rows of the synapse memory read
    "neuron_updates",  # somas computed
    "fired",  # neurons that sent something
    "packets",  # packets sent
    "psum_packets",  # of these, partial sums
)

N_KINDS: Final = 3


class Shares(NamedTuple):
    """What each worker updates: whole cores."""

    first_core: I64  # (n_workers + 1,)
    first_group: I64  # (n_workers + 1,)
    first_neuron: I64  # (n_workers + 1,)


class Fired(NamedTuple):
    """What a worker sends in this tick."""

    owner: I32  # (n_workers, most senders) neuron or input element
    core: I32  # of the neuron
    value: I32  # of each packet
    copies: I32  # times that each of its packets is sent
    ready: I64  # 2**-16 cycles after the start of the tick
    begin: I64
    n: I64  # (n_workers, 1)


class Waiting(NamedTuple):
    """Entries that arrive in a later tick."""

    entry: I32  # (n_workers, n_slots, n_entries)
    value: I32
    n: I64  # (n_workers, n_slots)


class Inbox(NamedTuple):
    """What arrives in this tick at the places of cores (`image.blocks`), and scratch."""

    value: I32  # (n_workers, 64 * n_words)
    bits: U64  # (n_workers, n_words) places with a value
    row: I64  # (n_workers, 2, most rows) active axons of two cores: where their rows begin
    factor: I32  # their values
    small: U8  # (n_workers, most rows) magnitudes in 8 bits
    sign: I8  # 1 or -1
    pair: I32  # (n_workers, most pairs) two values of 16 bits
    total: npt.NDArray[Any]  # (n_workers, most neurons) sums twice as wide as a weight, 0 between
    sums: I32  # (n_workers, most neurons) of a core with kernels, or that sums for another, 0
    # between
    whole: I32  # (n_workers, 3) a row of a block as one run: first weight, first sum, size
    hit: I64  # (n_workers, most hits) of a core with kernels, by position: first weight of each
    times: I32  # their values
    begin: I64  # (n_workers, most positions) first hit
    events: I64  # and how many
    batch: I64  # (n_workers, BATCH) cores whose block is multiplied together
    heard: I16  # (n_workers, BATCH, most axons of such a core + 16) what they hear
    product: I32  # (n_workers, BATCH, most neurons, whole vectors of them) their sums
    passed: I32  # (n_groups,) 1 + partial sums that a group has handed on at once; 0: it has not


class History(NamedTuple):
    """What layers that are pulled (`kernels.pulls`) gave in the last ticks; no rows without any."""

    value: I16  # (n_slots, n_places + 16), see `image.pulls.Pulls.place`
    pulled: I8  # (n_slots, n_layers) its mode if the layer's neurons left what they gave in `value`
    mode: I8  # (n_layers,) 1: pulled when it works next; `pulls.DENSE`: and multiplied whole
    fired: I64  # (n_workers, n_layers) neurons that sent something in this tick
    senders: U64  # (n_workers, most words of a group) scratch: a bit per neuron that sends


class RingState(NamedTuple):
    """Axons with several senders: what arrives in a later tick."""

    value: I32  # (n_workers, n_slots, n_rings)
    full: I8  # 1: something arrives
    listed: I32  # rings with a value
    n: I64  # (n_workers, n_slots)


class Loads(NamedTuple):
    """Packets of this tick."""

    times: I32  # (n_workers, n_signatures) times sent
    listed: I32  # signatures with a count
    n: I64  # (n_workers, 1)
    direct: I32  # (n_workers, 3 * n_resources) packets, by kind
    change: I32  # (n_workers, 3 * (n_resources + 1)) differences of packets, by kind
    packets: I32  # (n_resources,) scratch
    cycles: I64  # (n_resources,) of all
    bits: I64  # (n_resources,)


class Bench(NamedTuple):
    """Scratch for one crossbar core at a time; neurons in whole words of 64."""

    n_active: I64  # (n_workers, cores listed ahead) active axons, -1: the core does not work
    active: I32  # (n_workers, cores listed ahead, most axons) active axons
    rows: I64  # likewise, their rows
    places: I64  # likewise, where the weights of their types begin
    chosen: I64  # (n_workers, most axons)
    counters: U8  # (n_workers, most neurons)
    drive: I32  # (n_workers, most neurons) sums
    sums: I16  # (n_workers, most neurons) the same in 16 bits, 0 between cores
    u: I32  # (n_workers, most neurons)
    spikes: U8  # (n_workers, most neurons)


class State(NamedTuple):
    """What a sample changes. The first axis of most columns is the worker."""

    soma: SomaState
    acc: I32  # (n_workers, n_neurons) summed input of this tick
    recent: U8  # (n_neurons,) what straight and pulled neurons sent, not yet in `Tally.sent`
    quiet: I8  # (n_groups,) 1: without input the next tick changes and sends nothing
    stirred: I8  # (n_cores,) 1: partial sums came in this tick
    seed: I64  # (1,) of this sample
    gate: I64  # (1,) barrier of the workers
    shares: Shares
    fired: Fired
    waiting: Waiting
    inbox: Inbox
    history: History
    rings: RingState
    bits: U64  # (n_workers, n_slots, n_words) axons of crossbar cores
    counts: I32  # (n_workers, len(CORE_COUNTS), n_cores) of this tick
    loads: Loads
    bench: Bench


class Tally(NamedTuple):
    """What is counted over the samples of one job."""

    core: I64  # (len(CORE_COUNTS), n_cores)
    sent: I64  # (n_neurons,) times that a neuron sent its packets
    sent_inputs: I64  # (n_inputs,)
    sent_psums: I64  # (n_groups,)
    window_bits: I64  # (n_windows, n_resources that are links) bits in each window of ticks
    window_compute: I64  # (n_windows, n_cores) 2**-16 cycles
    window_memory: I64


class TickCosts(NamedTuple):
    """Per chip tick of one sample: the closed-form bounds, in cycles, and what sets them."""

    compute: I64
    memory: I64
    traffic: I64
    peak_bits: I64  # bits over the busiest router-to-router link
    peak_link: I64  # its number, -1 without traffic
    compute_core: I64  # the core that computes longest (of equals the first), -1 if none does
    memory_core: I64
    traffic_resource: I64  # resource (`image.traffic`) that is loaded longest, -1 if none is


class Watch(NamedTuple):
    """Neurons to record, and where; an array of 0 rows records nothing."""

    neuron: I32
    spike: I64  # its bit in `soma.spikes` (TrueNorth), -1: the output is in `soma.y`
    narrow: I64  # its place in `soma.narrow`, -1: the potential is in `soma.v`
    y: I32  # (n_chip_ticks, n_watched)
    v: I32


class PacketLog(NamedTuple):
    """Packets of one sample (or a piece of it) for a clock, tick by tick in order of sending.

    With a `tick_offset` of one entry nothing is logged. `n_logged` may exceed the room: the caller
    then allocates more and plays the sample again.
    """

    tick_offset: I64  # (n_chip_ticks + 1,) or (1,)
    flow: I32
    release: I64  # ready to leave, 2**-16 cycles after the start of the tick
    begin: I64  # the sender began to compute what it sends: what waiting for partial sums delays
    packet: I64  # row of the PacketTable of neurons (of inputs, if the host sends); -1: a sum
    value: I32  # that it carries; 1 for a spike
    n_logged: I64  # (1,)


def allocate_state(image: Image, n_workers: int = 1) -> State:
    """Arrays for one sample at a time, played by `n_workers` together.

    Lists that are long only in the worst case are not touched until they are used, so the memory
    that a machine really gives follows the activity.
    """
    n_neurons, n_cores = image.n_neurons, image.n_cores
    words = _axon_words(image)
    soft = image.columns.theta.size
    is_narrow = image.crossbar is not None and (image.crossbar.narrow_row >= 0).all()
    n_wide = 0 if is_narrow else n_neurons
    soma = SomaState(
        v=zeros(n_wide, np.int32),
        narrow=zeros(0 if image.crossbar is None else image.crossbar.n_narrow, np.int16),
        y=worst_case(soft, np.int32),
        kept=zeros(image.groups.core.size, np.int8),
        given=zeros((n_workers, _widest_group(image)), np.int32),
        fired=zeros(soft, np.int8),
        spikes=zeros(0 if image.crossbar is None else image.crossbar.spike_word[-1], np.uint64),
        current=zeros(image.synaptic.alpha_syn.size, np.int32),
    )
    counts_recent = image.crossbar is not None or image.pulls.layer_size.size > 0
    return State(
        soma=soma,
        acc=zeros((n_workers, soft), np.int32),
        recent=zeros(n_neurons if counts_recent else 0, np.uint8),
        quiet=zeros(image.groups.core.size, np.int8),
        stirred=zeros(n_cores, np.int8),
        seed=zeros(1, np.int64),
        gate=zeros(1, np.int64),
        shares=_shares(image, n_workers),
        fired=_new_fired(image, n_workers),
        waiting=_new_waiting(image, n_workers),
        inbox=_new_inbox(image, n_workers),
        history=_new_history(image, n_workers),
        rings=_new_rings(image, n_workers),
        bits=zeros((n_workers, image.n_slots, int(words[-1])), np.uint64),
        counts=zeros((n_workers, len(CORE_COUNTS), n_cores), np.int32),
        loads=_new_loads(image, n_workers),
        bench=_new_bench(image, n_workers),
    )


def _widest_group(image: Image) -> int:
    """Most neurons of a group with LIAF or current-based somas."""
    sizes = image.groups.stop - image.groups.start
    return int(sizes.max(initial=0)) if image.columns.theta.size else 0


def _axon_words(image: Image) -> I64:
    """(n_cores + 1,) words of axon bits, of all cores before."""
    if image.crossbar is None:
        return zeros(image.n_cores + 1, np.int64)
    return image.crossbar.axon_word


def _new_fired(image: Image, n_workers: int) -> Fired:
    n = max(image.n_neurons, image.input_outlet.packet_offset.size - 1)
    shape = (n_workers, n + AT_LEAST)
    return Fired(
        owner=worst_case(shape, np.int32),
        core=worst_case(shape, np.int32),
        value=worst_case(shape, np.int32),
        copies=worst_case(shape, np.int32),
        ready=worst_case(shape, np.int64),
        begin=worst_case(shape, np.int64),
        n=zeros((n_workers, 1), np.int64),
    )


def _new_waiting(image: Image, n_workers: int) -> Waiting:
    shape = (n_workers, image.n_slots, image.entries.delay.size)
    return Waiting(
        worst_case(shape, np.int32), worst_case(shape, np.int32), zeros(shape[:2], np.int64)
    )


def _new_inbox(image: Image, n_workers: int) -> Inbox:
    words = int(image.blocks.word[-1])
    # A row whose value needs a ninth bit is listed twice, the last four are made complete.
    most = 128 * int(np.diff(image.blocks.word).max(initial=0)) + 4
    width = int(np.diff(image.synapses.neuron_offset).max(initial=0)) if words else 0
    wide = np.int16 if image.synapses.dense.itemsize == 1 else np.int32
    batch, n_axons, n_neurons = _batch_shape(image)
    n_positions, n_hits = (int(n) for n in image.shared.room)
    return Inbox(
        value=worst_case((n_workers, 64 * words), np.int32),
        bits=zeros((n_workers, words), np.uint64),
        row=zeros((n_workers, 2, most), np.int64),
        factor=zeros((n_workers, 2, most), np.int32),
        small=zeros((n_workers, most), np.uint8),
        sign=zeros((n_workers, most), np.int8),
        pair=zeros((n_workers, most // 2), np.int32),
        total=zeros((n_workers, width), wide),
        sums=zeros((n_workers, width), np.int32),
        whole=zeros((n_workers, 3), np.int32),
        hit=zeros((n_workers, n_hits), np.int64),
        times=zeros((n_workers, n_hits), np.int32),
        begin=zeros((n_workers, n_positions), np.int64),
        events=zeros((n_workers, n_positions), np.int64),
        batch=zeros((n_workers, batch), np.int64),
        heard=zeros((n_workers, batch, n_axons), np.int16),
        product=zeros((n_workers, batch, n_neurons), np.int32),
        passed=zeros(image.groups.core.size, np.int32),
    )


def _batch_shape(image: Image) -> tuple[int, int, int]:
    """Cores of a batch of `kernels.batches`, axons and neurons of each; zeros without batches."""
    cores = np.flatnonzero(image.products.block >= 0)
    if cores.size == 0:
        return 0, 0, 0
    width = int(np.diff(image.synapses.neuron_offset)[cores].max())
    n_rows = int(np.diff(image.products.row_offset).max())
    return BATCH, n_rows + BEYOND, -(-width // COLUMNS) * COLUMNS


def _new_history(image: Image, n_workers: int) -> History:
    n_layers = image.pulls.layer_size.size
    return History(
        value=zeros((image.n_slots, image.pulls.n_places + BEYOND if n_layers else 0), np.int16),
        pulled=zeros((image.n_slots, n_layers), np.int8),
        mode=zeros(n_layers, np.int8),
        fired=zeros((n_workers, n_layers), np.int64),
        senders=zeros((n_workers, -(-_widest_group(image) // 64)), np.uint64),
    )


def _new_rings(image: Image, n_workers: int) -> RingState:
    shape = (n_workers, image.n_slots, image.rings.axon.size)
    return RingState(
        value=zeros(shape, np.int32),
        full=zeros(shape, np.int8),
        listed=worst_case(shape, np.int32),
        n=zeros(shape[:2], np.int64),
    )


def _new_loads(image: Image, n_workers: int) -> Loads:
    n, signatures = image.traffic.link.size, image.traffic.kind.size
    return Loads(
        times=zeros((n_workers, signatures), np.int32),
        listed=zeros((n_workers, signatures), np.int32),
        n=zeros((n_workers, 1), np.int64),
        direct=zeros((n_workers, N_KINDS * n), np.int32),
        change=zeros((n_workers, N_KINDS * (n + 1)), np.int32),
        packets=zeros(n, np.int32),
        cycles=zeros(n, np.int64),
        bits=zeros(n, np.int64),
    )


def _new_bench(image: Image, n_workers: int) -> Bench:
    axon_words = np.diff(_axon_words(image))
    axons = 64 * int(axon_words.max(initial=0))
    neurons = np.diff(image.synapses.neuron_offset)[axon_words > 0]
    size = 64 * -(-int(neurons.max(initial=0)) // 64)
    return Bench(
        n_active=zeros((n_workers, CORES_KEPT), np.int64),
        active=zeros((n_workers, CORES_KEPT, axons + AT_LEAST), np.int32),
        rows=zeros((n_workers, CORES_KEPT, axons), np.int64),
        places=zeros((n_workers, CORES_KEPT, axons), np.int64),
        chosen=zeros((n_workers, axons), np.int64),
        counters=zeros((n_workers, size), np.uint8),
        drive=zeros((n_workers, size), np.int32),
        sums=zeros((n_workers, size), np.int16),
        u=zeros((n_workers, size), np.int32),
        spikes=zeros((n_workers, size), np.uint8),
    )


def allocate_tally(image: Image, n_windows: int = 0) -> Tally:
    """Counters at zero; with 0 windows nothing is counted by window."""
    n_links = image.traffic.link.size - 2 * image.n_cores
    return Tally(
        core=zeros((len(CORE_COUNTS), image.n_cores), np.int64),
        sent=zeros(image.n_neurons, np.int64),
        sent_inputs=zeros(image.input_outlet.packet_offset.size - 1, np.int64),
        sent_psums=zeros(image.groups.core.size, np.int64),
        window_bits=zeros((n_windows, n_links), np.int64),
        window_compute=zeros((n_windows, image.n_cores), np.int64),
        window_memory=zeros((n_windows, image.n_cores), np.int64),
    )


def allocate_log(n_ticks: int, room: int) -> PacketLog:
    """Room for `room` packets over `n_ticks` chip ticks; 0 ticks: nothing is logged."""
    return PacketLog(
        tick_offset=zeros(n_ticks + 1, np.int64),
        flow=zeros(room, np.int32),
        release=zeros(room, np.int64),
        begin=zeros(room, np.int64),
        packet=zeros(room, np.int64),
        value=zeros(room, np.int32),
        n_logged=zeros(1, np.int64),
    )


def joined_log(logs: Sequence[PacketLog]) -> PacketLog:
    """The packets of pieces of a sample that follow each other, as one log."""
    n = [int(log.n_logged[0]) for log in logs]
    rows = {
        name: np.concatenate([getattr(log, name)[:k] for log, k in zip(logs, n, strict=True)])
        for name in PacketLog._fields
        if name not in ("tick_offset", "n_logged")
    }
    per_tick = np.concatenate([np.diff(log.tick_offset) for log in logs])
    return PacketLog(tick_offset=offsets_of(per_tick), n_logged=np.array([sum(n)]), **rows)


def _shares(image: Image, n_workers: int) -> Shares:
    """Groups of each worker: whole cores, about equally many neurons."""
    groups, n = image.groups, image.n_neurons
    edges = np.flatnonzero(np.diff(groups.core, prepend=-1))  # first group of each core
    starts = np.append(groups.start[edges], n)
    edges = np.append(edges, groups.core.size)
    at = np.searchsorted(starts, np.arange(n_workers + 1) * n // n_workers)
    at[-1] = edges.size - 1
    core = np.append(groups.core, image.n_cores)[edges[at]]
    return Shares(*(column.astype(np.int64) for column in (core, edges[at], starts[at])))
