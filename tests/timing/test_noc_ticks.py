"""Timing rules of ticks: gates, sinks, classes, trees, host ports, slow links; formulas by hand."""

import threading

import numpy as np
import pytest

from neurosim.noc import Link, Noc, TickNetwork, simulate_noc

HOP, AWAY = 3, 2  # `single`: cycles per router, and from the source


def t0(hops):
    return AWAY + HOP * hops


def test_gate_opens_with_the_last_awaited_packet():
    """Cores 0 and 8 send partial sums to 4; its packets leave when the later one is there."""
    noc = Noc(width=3, height=3)
    played = TickNetwork(noc).play(
        [0, 8, 4, 4], [4, 4, 5, 3], [10, 30, 0, 7], kind=[2, 2, 0, 0],
        gate=[-1, -1, 0, 0], feeds=[0, 0, -1, -1], gate_base=[20],
    )  # fmt: skip
    open_ = 30 + t0(3)
    assert played.gate_cycle.tolist() == [open_]
    assert played.inject_cycle.tolist() == [10, 30, open_, open_ + 7]
    assert played.drain_cycles.tolist() == [open_ + 7 + t0(2)]


def test_gate_is_not_open_before_its_base():
    played = TickNetwork(Noc(width=2, height=1)).play(
        [0, 1], [1, 0], [0, 0], gate=[-1, 0], feeds=[0, -1], gate_base=[100]
    )
    assert played.inject_cycle.tolist() == [0, 100]


def test_partial_sums_leave_before_waiting_spikes():
    played = TickNetwork(Noc(width=2, height=1)).play([0] * 4, [1] * 4, [0] * 4, kind=[0, 0, 2, 0])
    assert played.inject_cycle.tolist() == [1, 2, 0, 3]


def test_sink_serves_one_after_the_other_and_blocks_when_full():
    """Service 50, two places: the third packet waits until the first is dealt with."""
    noc = Noc(width=2, height=1, buffer_flits=2)
    n = 6
    played = TickNetwork(noc).play([0] * n, [1] * n, [0] * n, service=50)
    first = t0(2)
    assert played.finish_cycle.tolist() == [first + 50 * (i + 1) for i in range(n)]
    # a place is usable 2 cycles after the sink is done; then 3 cycles through the router
    assert played.arrive_cycle[2] == first + 50 + 2 + HOP
    assert played.done_cycles.tolist() == [first + 50 * n]


def test_host_ports_do_not_share_the_core_port():
    """Core 0 and the host of row 0 send and receive at once, at full rate."""
    noc = Noc(width=2, height=2, host_io=True)
    host = noc.n_routers
    n = 40
    src = np.tile([0, host], n)
    dst = np.tile([host, 0], n)
    played = TickNetwork(noc).play(src, dst, np.zeros(2 * n, int), kind=3)
    assert played.drain_cycles[0] == t0(1) + n - 1
    assert played.link_flits[0].tolist() == [0, n, 0, 0, n]


def test_tree_copies_only_where_branches_part():
    """From the corner of a 4 x 4 mesh to three in one row and two in a column."""
    noc = Noc(width=4, height=4, multicast="tree")
    dst = [1, 2, 3, 11, 15]
    result = simulate_noc(noc, [0], dst, [0], dst_offset=[0, 5])
    assert result.hops.tolist() == [2, 3, 4, 6, 7]
    assert result.arrive_cycle.tolist() == [t0(h) for h in result.hops]
    assert result.link_flits[:, :4].sum() == 6  # three links in the row, three up the column
    assert result.link_flits[:, 4].sum() == 5


def test_relay_delivers_and_forwards():
    noc = Noc(width=4, height=4, multicast="relay")
    result = simulate_noc(noc, [0], [1, 2, 6, 10], [0], dst_offset=[0, 4])
    assert result.hops.tolist() == [2, 3, 4, 5]
    assert result.arrive_cycle.tolist() == [t0(h) for h in result.hops]
    assert result.link_flits[:, :4].sum() == 4


@pytest.mark.parametrize("bits", [1, 32, 33, 40, 64, 65])
def test_packets_wider_than_a_link(bits):
    """40 bits on 32-bit links: two cycles per link, the second behind the first."""
    noc = Noc(width=4, height=1, switching="packet", link_bits=32)
    n, cycles = 20, -(-bits // 32)
    result = simulate_noc(noc, [0] * n, [3] * n, [0] * n, bits=bits)
    expected = t0(4) + cycles - 1 + cycles * np.arange(n)
    np.testing.assert_array_equal(result.arrive_cycle, expected)


@pytest.mark.parametrize(("bits", "width", "latency"), [(32, 8, 1), (40, 8, 10), (40, 40, 6)])
def test_links_between_chips(bits, width, latency):
    """A narrow, long link: latency added once, and its own time per packet."""
    noc = Noc(
        width=4, height=1, switching="packet", link_bits=32, chip_width=2, chip_height=1,
        chip_link_bits=width, chip_link_cycles=latency,
    )  # fmt: skip
    n, whole, slow = 10, -(-bits // 32), -(-bits // min(width, 32))
    result = simulate_noc(noc, [0] * n, [3] * n, [0] * n, bits=bits)
    first = t0(4) + (latency - 1) + slow - 1
    if latency < 6:  # else the places behind the long link are the limit
        np.testing.assert_array_equal(result.arrive_cycle, first + slow * np.arange(n))
    assert result.arrive_cycle[0] == first
    assert result.busy_cycles[1, 0] == n * slow
    assert result.link_flits[1, 0] == n * whole


def test_single_link_of_its_own():
    links = (Link(x=1, y=0, direction="+x", cycles=5),)
    noc = Noc(width=3, height=1, links=links)
    assert simulate_noc(noc, [0, 2], [2, 0], [0, 0]).latency.tolist() == [t0(3) + 4] * 2


def test_dead_link_costs_two_hops_and_only_there():
    noc = Noc(width=4, height=4, dead_links=[(1, 1, "+x")])
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(16), np.arange(16)))
    result = simulate_noc(noc, a, b, np.arange(256) * 100)
    plain = np.abs(a % 4 - b % 4) + np.abs(a // 4 - b // 4) + 1
    over = (a // 4 == 1) & ((a % 4 <= 1) != (b % 4 <= 1))
    np.testing.assert_array_equal(result.hops[~over], plain[~over])
    assert set((result.hops - plain)[over]) <= {0, 2}
    np.testing.assert_array_equal(result.latency, t0(result.hops))


@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_threads_do_not_change_a_cycle(n_threads):
    """Samples spread over threads, one network each, reset at every sample."""
    noc = Noc(width=6, height=6)
    samples = []
    for seed in range(7):
        rng = np.random.default_rng(seed)
        samples.append((*rng.integers(0, 36, (2, 400)), rng.integers(0, 40, 400)))
    alone = [TickNetwork(noc).play(*sample).arrive_cycle for sample in samples]
    together = [None] * 7

    def work(first):
        network = TickNetwork(noc)
        for i in range(first, 7, n_threads):
            network.reset()
            together[i] = network.play(*samples[i]).arrive_cycle

    threads = [threading.Thread(target=work, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


def test_windows_hold_every_flit():
    rng = np.random.default_rng(1)
    src, dst = rng.integers(0, 64, (2, 4000))
    result = simulate_noc(Noc(), src, dst, np.sort(rng.integers(0, 1000, 4000)), n_windows=16)
    np.testing.assert_array_equal(result.window_flits.sum(axis=0), result.link_flits)
    assert result.window_cycles * 16 >= result.drain_cycle - 2
    assert result.window_cycles & (result.window_cycles - 1) == 0


def test_histogram_counts_every_delivery_of_its_class():
    kind = np.arange(300) % 4
    src = np.arange(300) % 64
    result = simulate_noc(Noc(), src, (src * 7) % 64, np.arange(300), kind=kind)
    histogram = result.latency_histogram()
    assert list(histogram) == ["spike", "analog", "psum", "io"]
    assert [int(h.sum()) for h in histogram.values()] == [75] * 4
