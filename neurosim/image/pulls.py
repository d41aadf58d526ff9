"""Which cores can fetch what a layer gave, instead of hearing of every single event.

Where most neurons of a layer send in every tick, it costs less that the cores which listen look at
all their axons than that every neuron looks for its listeners. (Breadth-first searches turn round
at the same point: Beamer, Asanovic and Patterson, SC 2012.) A layer can be *pulled* if every axon
that hears from it hears nobody else and is an axon of a core with dense or sparse rows, and if no
neuron of it sends several spikes in a tick.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.offsets import offsets_of
from neurosim.program.columns import FLOW_KINDS, MODEL_CODES, Program
from neurosim.soma.liaf import OUTPUT_CODES

I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

_LARGEST: Final = np.iinfo(np.int16).max  # `state.History` keeps values in 16 bits


class Pulls(NamedTuple):
    """Runs of neighbouring axons of a core that hear the same layer in the same way."""

    run_offset: I64  # (n_cores + 1,), or a single 0 if no layer can be pulled
    axon: I64  # (n_runs,) first axon
    source_offset: I64  # (n_runs + 1,)
    source: I32  # place of the neuron that each axon of a run hears
    layer: I32  # (n_runs,)
    delay: I32
    first_tick: I32  # pipeline offset of the groups that listen
    is_analog: I8
    strip_offset: I64  # (n_runs + 1,) of a run whose axons have one sparse synapse each, strips of
    # equal weights from places side by side to neurons at a constant step; none of other runs
    strip_place: I32  # place of the first
    strip_target: I32  # its neuron, counted from the first of the core
    strip_step: I32  # to the next neuron
    strip_size: I32
    strip_weight: I32
    group_layer: I32  # (n_groups,) layer to which the neurons of a group belong, -1: never pulled
    n_places: int  # neurons that leave a value: those of a layer one after the other as in its
    # image, channels innermost
    left_offset: I64  # (n_groups + 1,) runs of neurons of a group with places side by side:
    left_place: I32  # place of the first
    left_first: I32  # the first neuron
    left_step: I32  # from one to the next
    left_size: I32
    layer_size: I64  # (n_layers,) neurons, 0 for layers that are never pulled
    layer_first_tick: I32  # pipeline offset of the layer
    alike_offset: I64  # (n_groups + 1,) of 64 neighbours of a group, those that send alike:
    word: I32  # which 64
    mask: U64  # bit j: neuron j of them
    signature: I32  # see `image.traffic.Senders`
    packets: I32  # that each of them sends when it fires


def make_pulls(
    program: Program,
    axon_core: I32,
    owner: I32,
    axon: I32,
    delay: I32,
    by_entry: npt.NDArray[np.bool_],
    signature: I32,
) -> Pulls:
    """Runs of a checked program.

    Parameters
    ----------
    axon_core : (n_axons,) core of each axon.
    owner, axon, delay : (n_deliveries,) of all packets of neurons, by owner.
    by_entry : (n_axons,) whether an axon has one sender, and rows.
    signature : (n_neurons,) see `image.traffic.Senders`.
    """
    layer_of_group = _layers_of_groups(program, owner, axon, by_entry)
    n_layers = len(program.layer_names)
    layer = layer_of_group[program.group_of(owner)]
    heard = layer >= 0
    if not heard.any():
        return _no_pulls(program)
    owner, axon, delay, layer = owner[heard], axon[heard], delay[heard], layer[heard]
    order = np.argsort(axon, kind="stable")
    owner, axon, delay, layer = owner[order], axon[order], delay[order], layer[order]
    core, window, kind = axon_core[axon], program.axons.first_tick[axon], program.axons.kind[axon]
    alike = np.stack([core, layer, delay, window, kind, axon - np.arange(axon.size)])
    first = np.flatnonzero(np.r_[True, (alike[:, 1:] != alike[:, :-1]).any(axis=0)])
    sizes = np.diff(np.r_[first, axon.size])
    sizes_of_groups = program.groups.neuron_stop - program.groups.neuron_start
    layer_of_neuron = np.repeat(layer_of_group, sizes_of_groups)
    place, n_places = _places(program, layer_of_neuron)
    start = np.zeros(n_layers, np.int32)
    start[layer_of_group[layer_of_group >= 0]] = program.groups.first_tick[layer_of_group >= 0]
    return Pulls(
        run_offset=offsets_of(np.bincount(core[first], minlength=program.n_cores)),
        axon=axon[first].astype(np.int64),
        source_offset=offsets_of(sizes),
        source=place[owner],
        layer=layer[first].astype(np.int32),
        delay=delay[first].astype(np.int32),
        first_tick=window[first].astype(np.int32),
        is_analog=(kind[first] == FLOW_KINDS["analog"]).astype(np.int8),
        **_strips(program, axon, first, place[owner]),
        group_layer=layer_of_group,
        n_places=n_places,
        **_left(program, place),
        layer_size=np.bincount(layer_of_neuron[layer_of_neuron >= 0], minlength=n_layers),
        layer_first_tick=start,
        **_alike(program, layer_of_neuron, signature),
    )


def _no_pulls(program: Program) -> Pulls:
    none, start = np.empty(0, np.int32), np.zeros(1, np.int64)
    return Pulls(
        run_offset=start,
        axon=np.empty(0, np.int64),
        source_offset=start,
        source=none,
        layer=none,
        delay=none,
        first_tick=none,
        is_analog=np.empty(0, np.int8),
        strip_offset=start,
        strip_place=none,
        strip_target=none,
        strip_step=none,
        strip_size=none,
        strip_weight=none,
        group_layer=np.full(program.groups.core.size, -1, np.int32),
        n_places=0,
        left_offset=start,
        left_place=none,
        left_first=none,
        left_step=none,
        left_size=none,
        layer_size=np.empty(0, np.int64),
        layer_first_tick=none,
        alike_offset=start,
        word=none,
        mask=np.empty(0, np.uint64),
        signature=none,
        packets=none,
    )


def _places(program: Program, layer_of_neuron: I32) -> tuple[I32, int]:
    """Where each neuron of a pulled layer leaves its value, and how many do.

    Listeners of a convolution hear all channels, or a run of them, of some positions of an image.
    """
    rank = np.full(layer_of_neuron.size, np.iinfo(np.int64).max)
    for layer, shape in enumerate(program.layer_shapes):
        neurons = program.layer_neurons(layer)
        order = np.arange(neurons.size).reshape(shape)
        rank[neurons[np.moveaxis(order, 0, -1).ravel()]] = np.arange(neurons.size)
    pulled = np.flatnonzero(layer_of_neuron >= 0)
    order = np.lexsort((rank[pulled], layer_of_neuron[pulled]))
    place = np.full(layer_of_neuron.size, -1, np.int32)
    place[pulled[order]] = np.arange(pulled.size)
    return place, pulled.size


def _left(program: Program, place: I32) -> dict[str, npt.NDArray[Any]]:
    """Runs of neurons of one group whose places follow each other at a constant step."""
    neuron = np.flatnonzero(place >= 0)
    group = program.group_of(neuron)
    order = np.lexsort((place[neuron], group))
    neuron, group = neuron[order], group[order]
    step = np.diff(neuron)
    first = _at_constant_step((np.diff(place[neuron]) == 1) & (np.diff(group) == 0), step)
    return {
        "left_offset": offsets_of(np.bincount(group[first], minlength=program.groups.core.size)),
        "left_place": place[neuron[first]],
        "left_first": neuron[first].astype(np.int32),
        "left_step": np.r_[step, 1][first].astype(np.int32),
        "left_size": np.diff(np.r_[first, neuron.size]).astype(np.int32),
    }


def _at_constant_step(joined: npt.NDArray[np.bool_], step: I64) -> I64:
    """Where runs begin that are `joined` all along, by steps of the same size.

    Both are given for each two neighbours.
    """
    # A change of the step begins a run, unless it is the second of one.
    turns = np.r_[False, joined[1:] & joined[:-1] & (step[1:] != step[:-1])][: step.size]
    at = np.arange(turns.size)
    since = at - np.maximum.accumulate(np.where(turns, -1, at))
    return np.flatnonzero(np.r_[True, ~joined | (turns & (since % 2 == 1))])


def _strips(program: Program, axon: I32, first: I64, place: I32) -> dict[str, npt.NDArray[Any]]:
    """Strips of the runs of `axon` that begin at `first`; `place` is what each axon hears."""
    row, run = (
        program.axons.row_offset,
        np.repeat(np.arange(first.size), np.diff(np.r_[first, axon.size])),
    )
    one = (np.diff(row)[axon] == 1) & (program.axons.synapses[axon] == 1)
    single = np.flatnonzero(np.logical_and.reduceat(one, first)[run])
    single = single[np.lexsort((place[single], run[single]))]
    run, place, row = run[single], place[single], row[axon[single]]
    target, weight = (
        c[row].astype(np.int32) for c in (program.synapses.target, program.synapses.weight)
    )
    alike = (np.diff(place) == 1) & (np.diff(run) == 0) & (np.diff(weight) == 0)
    step = np.diff(target)
    begin = _at_constant_step(alike, step)[: single.size]
    return {
        "strip_offset": offsets_of(np.bincount(run[begin], minlength=first.size)),
        "strip_place": place[begin],
        "strip_target": target[begin],
        "strip_step": np.r_[step, np.int32(1)][begin].astype(np.int32),
        "strip_size": np.diff(np.r_[begin, single.size]).astype(np.int32),
        "strip_weight": weight[begin],
    }


def _alike(program: Program, layer_of_neuron: I32, signature: I32) -> dict[str, npt.NDArray[Any]]:
    """Neurons of pulled layers that send alike, in words of 64."""
    start, n_groups = program.groups.neuron_start, program.groups.core.size
    neuron = np.flatnonzero((layer_of_neuron >= 0) & (signature != -1))
    group = program.group_of(neuron)
    local = neuron - start[group]
    keys = np.stack([group, signature[neuron], local >> 6])
    order = np.lexsort(keys[::-1])
    keys, neuron, local = keys[:, order], neuron[order], local[order]
    first = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(axis=0)][: neuron.size])
    bits = np.uint64(1) << (local & 63).astype(np.uint64)
    sizes = np.diff(program.packets.owner_offset)
    return {
        "alike_offset": offsets_of(np.bincount(keys[0, first], minlength=n_groups)),
        "word": keys[2, first].astype(np.int32),
        "mask": np.bitwise_or.reduceat(bits, first) if first.size else bits,
        "signature": keys[1, first].astype(np.int32),
        "packets": sizes[neuron[first]].astype(np.int32),
    }


def _layers_of_groups(
    program: Program, owner: I32, axon: I32, by_entry: npt.NDArray[np.bool_]
) -> I32:
    """(n_groups,) layer, -1 for groups of layers that cannot be pulled, and for partial sums."""
    groups, modes = program.groups, program.modes
    soft = np.isin(groups.model, (MODEL_CODES["liaf"], MODEL_CODES["cuba"]))
    result = np.where(soft, groups.layer, -1).astype(np.int32)
    if program.chip.core.send_zero or not modes.output.size:
        return np.full_like(result, -1)
    largest = np.maximum(modes.act_high, -modes.act_low)
    looked_up = int(np.abs(program.luts).max(initial=0))
    is_analog = modes.output == OUTPUT_CODES["analog"]
    bad = np.where(modes.lut >= 0, np.maximum(largest, looked_up), largest) > _LARGEST
    bad = np.where(is_analog, bad, modes.n_max > 1)
    bad[program.group_of(owner[~by_entry[axon]])] = True
    first = np.zeros(len(program.layer_names), np.int64)
    first[groups.layer[soft]] = groups.first_tick[soft]
    bad |= groups.first_tick != first[groups.layer]
    result[np.isin(groups.layer, groups.layer[bad & soft])] = -1
    return result
