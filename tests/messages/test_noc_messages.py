"""What the network refuses, and in which words."""

import numpy as np
import pytest

from neurosim.errors import (
    DoesNotFitError,
    InputFileError,
    SimulationFaultError,
    UnsupportedError,
    UsageError,
)
from neurosim.kernels import noc_layout as lay
from neurosim.noc import Link, Noc, TickNetwork, simulate_noc
from neurosim.noc.replay import read_trace


def said(error, call, *arguments, **options):
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("src", "dst", "create", "sentence"),
    [
        ([0, 64], [1, 1], [0, 0], "src in row 1 is 64, the network has terminals 0 to 63."),
        ([0, 1], [1, -1], [0, 0], "dst in row 1 is -1, the network has terminals 0 to 63."),
        ([0], [1], [-5], "release cycle in row 0 is -5, it must not be negative."),
        (
            [0, 1, 2], [1, 1, 1], [0, 9, 8],
            "create_cycle in row 2 is 8, after 9 in the row before. Sort the packets by time.",
        ),
        ([0, 1], [1], [0, 0], "dst has 1 rows, src has 2."),
        (
            [0.5], [1], [0],
            "src is an array of float64, integers are needed. Convert it with astype.",
        ),
    ],
)  # fmt: skip
def test_malformed_traffic_is_refused_with_the_row(src, dst, create, sentence):
    assert said(UsageError, simulate_noc, Noc(), src, dst, create) == sentence


def test_packets_without_flits():
    assert said(UsageError, simulate_noc, Noc(), [0, 1], [1, 1], [0, 0], [1, 0]) == (
        "size in row 1 is 0, a packet has at least 1."
    )


def test_more_packets_than_numbers(monkeypatch):
    import neurosim.noc.tick as tick

    assert tick.MAX_PACKETS == 2**31 - 1
    monkeypatch.setattr(tick, "MAX_PACKETS", 2)
    assert said(UsageError, simulate_noc, Noc(), [0] * 3, [1] * 3, [0] * 3) == (
        "traffic has 3 packets, one run holds 2. Play it in several parts."
    )


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"topology": "torus"}, "a torus splits its virtual channels at the dateline"),
        ({"router_cycles": 4}, "router_cycles set, but pipeline 'single' has fixed timing."),
        ({"psum_vcs": 1}, "psum_vcs: 1 of 1 virtual channels are kept for partial sums"),
        ({"packet_bits": 40}, "packet_bits needs switching='packet'"),
        ({"chip_width": 3, "chip_height": 8}, "8 x 8 routers do not divide into chips of 3 x 8."),
        (
            {"dead_links": [(7, 0, "+x")]},
            "dead_links: router (7, 0) has no link towards +x in a 8 x 8 mesh.",
        ),
        ({"links": [Link(x=0, y=0, direction="+x", bits=8)]}, "need switching='packet'"),
        ({"width": 4096, "height": 4096}, "noc has 4096 x 4096 routers, the simulator holds"),
        ({"colour": 1}, "colour"),
    ],
)
def test_impossible_networks(fields, part):
    assert part in said(ValueError, Noc, **fields)


def test_all_problems_at_once():
    text = said(ValueError, Noc, psum_vcs=1, packet_bits=3, dead_routers=[(9, 9)])
    assert "psum_vcs" in text
    assert "packet_bits" in text
    assert "(9, 9) is outside" in text


def test_long_multicast_packets_under_wormhole_switching():
    noc = Noc(multicast="tree")
    text = said(UnsupportedError, simulate_noc, noc, [0], [1, 2], [0], 5, dst_offset=[0, 2])
    assert text.startswith("multicast packets of several flits block each other for ever")


def test_multicast_where_there_is_none():
    text = said(UnsupportedError, simulate_noc, Noc(), [0], [1, 2], [0], dst_offset=[0, 2])
    assert text.startswith("noc has multicast 'none'")


def test_a_destination_twice():
    noc = Noc(multicast="tree")
    text = said(UsageError, simulate_noc, noc, [0], [5, 2, 5], [0], dst_offset=[0, 3])
    assert text.startswith("route 0: terminal 5 occurs twice among its destinations.")


def test_a_mesh_cut_in_two():
    dead = [(1, y, "+x") for y in range(3)]
    text = said(DoesNotFitError, TickNetwork, Noc(width=4, height=3, dead_links=dead))
    assert text.startswith(
        "noc: dead links and routers cut the 4 x 3 mesh: 72 pairs of routers cannot reach each "
        "other, the first is (0, 0) to (2, 0)."
    )


def test_a_core_at_a_dead_router():
    noc = Noc(width=3, height=3, dead_routers=[(1, 1)])
    assert said(UsageError, simulate_noc, noc, [0, 4], [1, 1], [0, 0]) == (
        "src in row 1 is 4, which sits at a dead router. Move the core, or take the router off "
        "dead_routers."
    )


def test_relay_chains_that_could_wait_in_a_circle():
    noc = Noc(width=3, height=3, multicast="relay")
    network = TickNetwork(noc)
    around = [1, 4, 3, 4, 3, 0, 3, 0, 1, 0, 1, 4]
    text = said(UnsupportedError, network.routes, [0, 1, 4, 3], [0, 3, 6, 9, 12], around)
    assert "can wait for each other in a circle" in text
    assert "(0, 0) +x" in text


def test_gates_that_wait_for_themselves():
    text = said(
        SimulationFaultError, TickNetwork(Noc()).play, [0], [1], [0],
        gate=[0], feeds=[0], gate_base=[5],
    )  # fmt: skip
    assert text == (
        "tick 0: network: nothing can move any more, 1 deliveries are still to come. 1 gates never "
        "open; the first is gate 0, which waits for 1 more deliveries. Check that their packets do "
        "not wait for this gate."
    )


def test_a_deadlock_is_found_and_the_circle_described():
    """A ring without a dateline, made by hand: the product does not offer it."""
    noc = Noc(width=4, height=1, topology="torus", n_vcs=2, buffer_flits=1)
    network = TickNetwork(noc)
    shape = network.network.shape._replace(dateline=0)
    object.__setattr__(network.network, "shape", shape)
    outputs = network.network.outputs  # take the second channel of every link away
    outputs[:, lay.O_CREDIT + 2] = 0
    network.network.sources[:, lay.Q_CREDIT + 1] = 0
    src = np.repeat(np.arange(4), 12)
    text = said(SimulationFaultError, network.play, src, (src + 2) % 4, np.zeros(48, int))
    assert "4 buffers wait for each other" in text
    assert "router (0, 0) input -x vc 0 waits for a place behind output +x" in text


def test_overload_is_given_up():
    text = said(
        SimulationFaultError, simulate_noc, Noc(), [0] * 99, [1] * 99, [0] * 99, max_cycles=20
    )
    assert "deliveries are still to come after 20 cycles." in text


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "is empty; a header with src, dst, ctime is needed."),
        ("src,dst\n1,2\n", "has no column ctime; its header is src, dst."),
        ("src,dst,ctime\n1,2,x\n", "line 2, column ctime: 'x' is not a 64-bit integer."),
        ("src,dst,ctime\n1,2,3\n1,2\n", "line 3 has 2 fields, the header has 3."),
        ("src,dst,ctime\n1,2,99999999999999999999\n", "is not a 64-bit integer."),
    ],
)
def test_damaged_traces(tmp_path, content, part):
    path = tmp_path / "t.csv"
    path.write_text(content)
    assert part in said(InputFileError, read_trace, path)


def test_a_trace_that_is_no_gzip(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(b"not a gzip file")
    assert "cannot be read as CSV" in said(InputFileError, read_trace, path)
