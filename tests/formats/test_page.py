"""The pages of runs and comparisons: complete, self-contained, escaped, small, true to the data."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from support.chain import chain_chip, chain_program, chain_run

import neurosim
from neurosim.cost.core_facts import CoreFacts
from neurosim.report import compare_runs
from neurosim.report.page import comparison_page, run_page
from neurosim.report.view import view_of_folder, view_of_run
from neurosim.results import load_run_folder, write_run_folder

LIMIT_BYTES = 6_000_000
NASTY = "<script>alert(1)</script>'\"&{{7*7}}"


class _Elements(HTMLParser):
    """Tags with their attributes, and what stands in scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def run():
    x = np.array([[5, 0, 3, 9], [0, 0, 0, 0], [1, 2, 3, 4]])
    return chain_run(x, noc="cycle", probe=["relay1"], labels=[0, 0, 0])


@pytest.fixture(scope="module")
def page(run):
    return run_page(view_of_run(run))


def test_headline_numbers_are_those_of_the_report(run, page):
    data = json.loads(run.report().to_json())
    seen = 0
    for tag, attributes in _Elements(page).found:
        if tag == "data":
            value = data
            for key in attributes["data-key"].split("."):
                value = value[key]
            assert json.loads(attributes["value"]) == value
            seen += 1
    assert seen == 8


def test_link_loads_on_the_page_add_up_to_the_report(run, page):
    (data,) = re.findall(r'<script type="application/json" id="map-data">(.*?)</script>', page)
    loads = json.loads(data)["loads"]
    total = sum(sum(row) for row in loads["bits"])
    counts = run.report().counts
    assert total == counts["bit_hops"] + counts["io_bits"]
    assert len(loads["ticks"]) == run.counters.n_chip_ticks


def test_nothing_comes_from_elsewhere(page):
    for tag, attributes in _Elements(page).found:
        assert tag not in ("iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href", "action"):
            value = attributes.get(name) or ""
            assert value.startswith(("#", "data:")) or not value, (tag, value)
    assert not re.search(r"url\((?!#)|@import", page)
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_equal_runs_give_equal_pages(run, page):
    assert run_page(view_of_run(run)) == page


def test_a_folder_gives_the_page_that_it_holds(run, tmp_path):
    write_run_folder(run, tmp_path / "run")
    written = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert run_page(view_of_folder(load_run_folder(tmp_path / "run"))) == written


def test_names_are_escaped():
    """Names of layers and of the checkpoint may hold markup; it must stay text."""
    program = chain_program()
    program = replace(
        program,
        layer_names=tuple(f"{NASTY}{i}" for i in range(3)),
        provenance={"name": NASTY},
        assumptions=(NASTY,),
    )
    run = neurosim.simulate(program, np.full((1, 3, 1), 5), probe=[f"{NASTY}1"])
    text = run_page(view_of_run(run))
    elements = _Elements(text)
    scripts = [attributes for tag, attributes in elements.found if tag == "script"]
    assert len(scripts) == 2
    assert NASTY not in text
    assert any(NASTY in part for part in elements.texts)
    data = json.loads(re.findall(r'id="map-data">(.*?)</script>', text)[0])
    assert data["cores"]["layers"][0] == f"{NASTY}0"
    reports = {f"{NASTY}{i}": run.report().to_dict() for i in range(2)}
    both = comparison_page(compare_runs(reports, {f"{NASTY}0": NASTY}))
    assert NASTY not in both
    assert both.count("<script") == 1


def test_names_may_hold_anything():
    """Control characters and halves of characters, which XML and UTF-8 do not know."""
    names = ("a\x01\x00b", "\ud800", "tab\tnew\nline")
    program = replace(chain_program(), layer_names=names, provenance={"name": "\udfff"})
    run = neurosim.simulate(program, np.full((1, 3, 1), 5), probe=names[:2])
    text = run_page(view_of_run(run))
    text.encode()
    assert text.endswith("</html>")


def test_an_older_folder_still_has_a_page(run):
    """Without what newer versions add, the page says how to get it."""
    view = view_of_run(run)
    new = ("energy_by_layer", "floorline")
    chip = {k: v for k, v in view.report["chip"].items() if k not in new}
    old = {**view.report, "chip": chip}
    none = np.zeros((0, 0), np.int64)
    counters = replace(
        view.counters,
        binding=np.zeros((0, 0, 3), np.int64),
        window_start=none[0:0, :].ravel(),
        window_link=none.ravel(),
        window_bits=none,
        window_core_time=np.zeros((0, 2, 0), np.int64),
    )
    text = run_page(replace(view, report=old, counters=counters, cores=None))
    assert text.count("of an earlier version") == 3
    assert "neurosim simulate PROGRAM.nsp" in text


def test_a_run_without_windows_has_a_map_without_loads(run):
    view = view_of_run(run)
    none = np.zeros((0, 0), np.int64)
    counters = replace(
        view.counters,
        window_start=none.ravel(),
        window_link=none.ravel(),
        window_bits=none,
        window_core_time=np.zeros((0, 2, 0), np.int64),
    )
    text = run_page(replace(view, counters=counters))
    assert 'id="tick" min="0" max="0" value="0" step="1" disabled' in text


def test_an_ideal_run_says_how_to_get_latencies_and_probes():
    text = run_page(view_of_run(chain_run(np.full((1, 3), 5))))
    assert "--noc cycle" in text
    assert "--probe all" in text
    assert "The input has no labels" in text


def test_a_run_without_samples_has_a_page():
    text = run_page(view_of_run(chain_run(np.zeros((0, 3), int))))
    assert "nothing limits it" in text


def test_a_large_run_stays_small():
    """Thousands of ticks, layers probed: still below the limit."""
    rng = np.random.default_rng(0)
    run = chain_run(rng.integers(0, 50, (4, 3000)), chain_chip(), probe=["relay0", "relay1"])
    assert len(run_page(view_of_run(run)).encode()) < LIMIT_BYTES


def test_a_full_chip_of_4096_cores_stays_small(run):
    """Every core of TrueNorth's size in use and every link busy, with large numbers."""
    chip = chain_chip(grid={"wide": 64, "high": 64})
    n, links = chip.n_cores, 4 * chip.n_cores
    router, many = np.arange(n), np.full((60, links), 10**9)
    counters = replace(
        run.counters,
        busy_cycles=np.full((1, 60), 1000),
        bounds=np.full((1, 60, 3), 1000),
        window_start=np.arange(60),
        window_link=np.arange(links),
        window_bits=many,
        window_core_time=np.full((60, 2, n), 1000 << 16),
    )
    ones = np.full(n, 10**6)
    cores = CoreFacts(
        x=router % 64,
        y=router // 64,
        layer_offset=np.arange(n + 1),
        layer=router % 3,
        axons=ones,
        neurons=ones,
        synapses=ones,
        counts=np.full((n, 8), 10**9),
        energy_steps=np.full((n + 2, 6), 10**9),
        energy_digits=np.array([3]),
    )
    view = replace(view_of_run(run), chip=chip, counters=counters, cores=cores)
    text = run_page(view)
    assert text.count("data-core=") == 2 * n
    assert len(text.encode()) < LIMIT_BYTES


def test_charts_are_drawn(page):
    assert page.count('class="drawn"') == 4


def test_comparison_numbers_are_those_of_its_data(run):
    reports = {"one": run.report().to_dict(), "two": run.report().to_dict()}
    comparison = compare_runs(reports)
    data = json.loads(json.dumps(comparison.to_dict()))
    seen = 0
    for tag, attributes in _Elements(comparison_page(comparison)).found:
        if tag == "data":
            value = data
            for key in attributes["data-key"].split("."):
                value = value[int(key)] if isinstance(value, list) else value[key]
            assert json.loads(attributes["value"]) == value
            seen += 1
    assert seen == 8
