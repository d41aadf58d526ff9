"""The hottest links of a run, and which layers' packets make them hot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import PACKET_KINDS
from neurosim.cost.bandwidth import link_name
from neurosim.cost.counters import Counters, link_bits
from neurosim.program.columns import N_DIRECTIONS, Program

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HotLink:
    """One router-to-router link.

    Attributes
    ----------
    link : as text, ``(3,4) -> (4,4)``.
    bits : over the whole run.
    users : (what sends -> what it feeds, bits), the largest first; the bits add up to `bits`.
    """

    link: str
    bits: int
    users: tuple[tuple[str, int], ...]


def hottest_links(program: Program, counters: Counters, n: int = 5) -> list[HotLink]:
    """The `n` router-to-router links with the most bits, busiest first; fewer if fewer are used."""
    bits = link_bits(program, counters)[: N_DIRECTIONS * program.chip.n_cores]
    order = np.argsort(-bits, kind="stable")[:n]
    names = flow_names(program)
    size = np.array([program.chip.packet_bits(kind) for kind in PACKET_KINDS], np.int64)
    flow_bits = counters.flow_packets * size[program.flows.kind]
    flow_of_link = np.repeat(np.arange(program.flows.kind.size), np.diff(program.flows.link_offset))
    result = []
    for link in order[bits[order] > 0].tolist():
        users: dict[str, int] = {}
        for flow in flow_of_link[program.flows.link == link].tolist():
            users[names[flow]] = users.get(names[flow], 0) + int(flow_bits[flow])
        ranked = sorted(
            ((u, b) for u, b in users.items() if b), key=lambda item: (-item[1], item[0])
        )
        result.append(HotLink(link_name(program.chip, link), int(bits[link]), tuple(ranked)))
    return result


def flow_names(program: Program) -> list[str]:
    """Per flow, the layers (or the host) that send over it and those on the cores that it feeds.

    A flow of a core that holds several layers names them all, joined by ``+``.
    """
    core_layers = _layers_of_cores(program)
    senders = _senders(program)
    flows = program.flows
    names = []
    for flow in range(flows.kind.size):
        cores = flows.target[flows.target_offset[flow] : flows.target_offset[flow + 1]]
        fed = sorted({layer for core in cores.tolist() for layer in core_layers[core]})
        to = "+".join(program.layer_names[layer] for layer in fed) or "host"
        if flows.source[flow] < 0:
            sent_by = "input"
        else:
            layers = senders.get(flow) or core_layers[int(flows.source[flow])]
            sent_by = "+".join(program.layer_names[layer] for layer in sorted(layers))
        names.append(f"{sent_by} -> {to}")
    return names


def _layers_of_cores(program: Program) -> list[set[int]]:
    layers: list[set[int]] = [set() for _ in range(program.n_cores)]
    for core, layer in zip(
        program.groups.core.tolist(), program.groups.layer.tolist(), strict=True
    ):
        layers[core].add(layer)
    return layers


def _senders(program: Program) -> dict[int, set[int]]:
    """Layers whose neurons send over each flow; partial sums are known by their group."""
    groups = program.groups
    layer_of = np.repeat(groups.layer, groups.neuron_stop - groups.neuron_start)
    sender = np.repeat(np.arange(layer_of.size), np.diff(program.packets.owner_offset))
    pairs = np.unique(np.column_stack([program.packets.flow, layer_of[sender]]), axis=0)
    result: dict[int, set[int]] = {}
    for flow, layer in pairs.tolist():
        result.setdefault(flow, set()).add(layer)
    for flow, layer in zip(groups.psum_flow.tolist(), groups.layer.tolist(), strict=True):
        if flow >= 0:
            result.setdefault(flow, set()).add(layer)
    return result
