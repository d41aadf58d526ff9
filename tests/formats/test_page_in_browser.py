"""The page in a real browser: no errors, the slider and the keys work, it fits small screens."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from support.browser import browser_page, find_browser
from support.chain import chain_run

from neurosim.report.page import run_page
from neurosim.report.view import view_of_run

BROWSER = find_browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

LEVELS = "[...document.querySelectorAll('#heat [data-link]')].map(e => e.getAttribute('class'))"


@pytest.fixture(scope="module")
def run():
    x = np.array([[5, 0, 3, 9], [0, 0, 0, 0]])
    return chain_run(x, noc="cycle", probe=["relay1"], labels=[0, 0])


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(run_page(view_of_run(run)), encoding="utf-8")
    with browser_page(BROWSER) as tab:
        tab.size(1200, 900)
        tab.open(path)
        yield tab


def move(page, position):
    page.run(f"tick.value = {position}; tick.dispatchEvent(new Event('input', {{bubbles: true}}))")
    return page.run(LEVELS), page.run("document.getElementById('tick-name').textContent")


def test_it_loads_without_an_error(page):
    assert page.run("document.readyState") == "complete"
    assert page.problems == []


def test_numbers_equal_the_report(run, page):
    data = json.loads(run.report().to_json())
    shown = page.run("[...document.querySelectorAll('data')].map(e => [e.dataset.key, e.value])")
    for key, text in shown:
        value = data
        for part in key.split("."):
            value = value[part]
        assert json.loads(text) == value
    assert len(shown) == 8


def test_the_slider_changes_the_heat_map(run, page):
    whole, name = move(page, 0)
    assert name == "all ticks"
    first, name = move(page, 1)
    assert name == "tick 0"
    # In tick 0 the last relay has sent nothing yet: its link to the west is dark.
    loaded = run.counters.window_bits[0] > 0
    assert ["q0" not in classes.split() for classes in first] == loaded.tolist()
    assert first != whole
    assert move(page, 0)[0] == whole


def test_a_link_and_a_core_say_how_busy_they_are(run, page):
    """Bits by width of the link, and cycles, both by the time of all samples."""
    move(page, 0)
    data = run.report()
    link = int(run.counters.window_bits.sum(axis=0).argmax())
    bits = int(run.counters.window_bits[:, link].sum())
    width = run.program.chip.noc_section.link_bits_per_cycle
    said = page.run("document.getElementById('load-facts').textContent")
    assert f"{round(bits / run.counters.n_samples, 1):g} bits per inference" in said
    share = float(re.findall(r"for ([\d.]+) % of the time", said)[0])
    assert share == pytest.approx(100 * bits / width / data.latency.cycles_total, abs=0.05)
    page.run("document.querySelector('#heat [data-core=\"0\"]').focus()")
    cycles = run.counters.window_core_time.max(axis=1)[:, 0].sum() / (1 << 16)
    said = page.run("document.getElementById('load-facts').textContent")
    share = float(re.findall(r", ([\d.]+) % of the time", said)[0])
    assert share == pytest.approx(100 * cycles / data.latency.cycles_total, abs=0.05)


def test_the_slider_follows_the_keyboard(page):
    move(page, 0)
    page.run("tick.focus()")
    page.key("ArrowRight")
    assert page.run("[tick.value, tick.getAttribute('aria-valuetext')]") == ["1", "tick 0"]


def test_arrow_keys_go_from_core_to_core(run, page):
    page.run("document.querySelector('#plan [tabindex=\"0\"]').focus()")
    facts = "document.getElementById('plan-facts').textContent"
    assert page.run(facts).startswith("core (0,0), relay0: axons 1 of 64")
    page.key("ArrowRight")
    assert page.run(facts).startswith("core (1,0), relay1")
    page.key("ArrowLeft")
    assert page.run(facts).startswith("core (0,0)")


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_needs_no_sideways_scrolling(page, dark):
    page.size(390, 800, dark)
    assert page.run("document.documentElement.scrollWidth") <= 390
    colour = page.run("getComputedStyle(document.body).backgroundColor")
    light = sum(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")) > 384
    assert light is not dark
    page.size(1200, 900)


def test_print_shows_the_whole_map_and_hides_the_slider(page):
    page.size(800, 1100, media="print")
    assert page.run("getComputedStyle(document.querySelector('.slider')).display") == "none"
    page.size(1200, 900)
    assert page.problems == []
