"""Hottest links: their bits are those of the flows that cross them, and users add up."""

from __future__ import annotations

import numpy as np
from support.chips import make_chip
from support.networks import random_input, random_network

import neurosim
from neurosim.chip.model import PACKET_KINDS
from neurosim.links.hot_links import flow_names, hottest_links
from neurosim_mapper.pipeline import map_network


def run_of(seed):
    rng = np.random.default_rng(seed)
    chip = make_chip(core__neurons=8, core__axons=24)
    network = random_network(rng, chip)
    program = map_network(network, chip, placer="row-major")
    return neurosim.simulate(program, random_input(rng, network, 2, 4), threads=1)


def test_users_add_up_and_nothing_hotter_is_left_out():
    seen = 0
    for seed in range(6):
        run = run_of(seed)
        program, packets = run.program, run.counters.flow_packets
        bits = [program.chip.packet_bits(kind) for kind in PACKET_KINDS]
        load: dict[int, int] = {}
        for flow in range(packets.size):
            span = slice(*program.flows.link_offset[flow : flow + 2])
            for link in program.flows.link[span].tolist():
                if link < 4 * program.chip.n_cores:
                    load[link] = (
                        load.get(link, 0) + int(packets[flow]) * bits[program.flows.kind[flow]]
                    )
        hot = hottest_links(program, run.counters, n=3)
        assert [h.bits for h in hot] == sorted((b for b in load.values() if b), reverse=True)[:3]
        assert all(sum(bits for _, bits in h.users) == h.bits for h in hot)
        seen += len(hot)
    assert seen > 6


def test_flows_are_named_after_layers_and_host():
    run = run_of(1)
    names = flow_names(run.program)
    layers = {"input", "host", *run.program.layer_names}
    assert len(names) == run.program.flows.kind.size
    for name in names:
        sent_by, fed = name.split(" -> ")
        assert set(sent_by.split("+")) | set(fed.split("+")) <= layers
