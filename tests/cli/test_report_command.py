"""report, simulate and info: pages, terms of the energy, time lines, figures."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

from neurosim.cost.energy import PRICE_LIST
from neurosim.results import load_run_folder


@pytest.fixture
def folder(neurosim_command, files, tmp_path):
    """A run of the chain with the cycle-level network and a time line."""
    words = ["--input", files / "chain.npz", "--noc", "cycle", "--perfetto", "-o", "run"]
    found = neurosim_command("simulate", files / "chain.nsp", *words)
    assert found.code == 0, found.err
    return tmp_path / "run"


def narrow(text):
    return all(len(line) <= 80 for line in text.splitlines())


def test_simulate_writes_a_page_and_a_time_line(folder):
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    events = json.loads((folder / "trace.perfetto.json").read_text())["traceEvents"]
    assert {event["ph"] for event in events} >= {"M", "X", "C", "b", "e"}
    load_run_folder(folder)


def test_a_time_line_needs_a_folder(neurosim_command, files):
    found = neurosim_command(
        "simulate", files / "chain.nsp", "--input", files / "chain.npz", "--perfetto"
    )
    assert found.code == 2
    assert found.err == "neurosim: --perfetto writes into the run folder; name one with -o.\n"


def test_report_says_what_limits_the_run(neurosim_command, folder):
    found = neurosim_command("report", folder)
    assert "Floorline" in found.out
    first_words = load_run_folder(folder).report["chip"]["floorline"]["sentence"][:40]
    assert first_words in found.out
    assert narrow(found.out)


def test_report_energy_prints_every_term(neurosim_command, folder):
    found = neurosim_command("report", folder, "--energy")
    data = load_run_folder(folder).report
    assert narrow(found.out)
    for term in data["chip"]["energy_terms"]:
        assert re.search(rf"{term['part']}\W+{term['counter']}\W", found.out)
        assert term["key"] in found.out
    assert "Sources of the unit energies" in found.out
    said = json.loads(neurosim_command("report", folder, "--energy", "--json").out)
    assert said == {
        "energy_terms": data["chip"]["energy_terms"],
        "energy_pj": data["energy_pj"],
    }


def test_terms_add_up_as_printed(neurosim_command, folder):
    """The energies of the table's rows make its last row, digit by digit."""
    lines = neurosim_command("report", folder, "--energy").out.splitlines()
    cells = [[cell.strip() for cell in line.split("│")] for line in lines if line.startswith("│")]
    energies = [Decimal(row[5].split()[0]) for row in cells]
    units = {row[5].split()[1] for row in cells}
    assert len(cells) == len(PRICE_LIST) + 1
    assert cells[-1][1] == "total"
    assert len(units) == 1
    assert sum(energies[:-1]) == energies[-1]


def test_report_html_makes_the_page_again(neurosim_command, folder, tmp_path):
    found = neurosim_command("report", folder, "--html", "page.html", "--json")
    assert found.err == "written: page.html\n"
    assert (tmp_path / "page.html").read_bytes() == (folder / "report.html").read_bytes()
    assert json.loads(found.out)["samples"] == 2


def test_report_html_of_several_runs(neurosim_command, files, folder, tmp_path):
    words = ["--input", files / "chain.npz", "--noc", "cycle", "-o", "other"]
    neurosim_command("simulate", files / "chain.nsp", *words)
    found = neurosim_command("report", "run", "other", "--html", "both.html")
    assert found.code == 0, found.err
    assert "Spikes against values" in (tmp_path / "both.html").read_text()
    assert narrow(found.out)


def test_report_perfetto_copies_the_time_line(neurosim_command, files, folder, tmp_path):
    found = neurosim_command("report", folder, "--perfetto", "line.json")
    assert found.code == 0, found.err
    written = (tmp_path / "line.json").read_bytes()
    assert written == (folder / "trace.perfetto.json").read_bytes()
    neurosim_command("simulate", files / "chain.nsp", "--input", files / "chain.npz", "-o", "bare")
    found = neurosim_command("report", "bare", "--perfetto", "line.json")
    assert found.code == 2
    assert found.err == (
        "neurosim: bare: holds no time line. Run it again with: "
        "neurosim simulate ... --perfetto -o RUN\n"
    )


def test_energy_and_perfetto_are_about_one_run(neurosim_command, folder):
    found = neurosim_command("report", folder, folder, "--energy")
    assert found.code == 2
    assert "name one folder" in found.err


def test_report_png(neurosim_command, folder, tmp_path):
    found = neurosim_command("report", folder, "--png", "figures")
    assert found.code == 0, found.err
    assert (tmp_path / "figures" / "floor_plan.png").is_file()


def test_info_says_how_good_the_placement_is(neurosim_command, files):
    found = neurosim_command("info", files / "chain.nsp")
    assert found.code == 0, found.err
    assert re.search(r"placement \(row-major\): .*packet hops per tick", found.out)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("report", ("--html", "--png", "--perfetto", "--energy", "report run/ --html page.html")),
        ("simulate", ("--perfetto", "report.html")),
        ("info", ("--png", "info digits.nsp --png plan.png")),
    ],
)
def test_help_names_the_pictures(neurosim_command, command, words):
    found = neurosim_command(command, "--help")
    assert all(word in found.out for word in words)
    assert narrow(found.out)


def test_chosen_neurons_are_on_the_page(neurosim_command, files, tmp_path):
    """A run keeps the choice; `report --neurons` makes the page with another one."""
    words = ["--input", files / "chain.npz", "--probe", "relay1:0", "-o", "run"]
    found = neurosim_command("simulate", files / "chain.nsp", *words)
    assert found.code == 0, found.err
    assert "Neurons 0." in (tmp_path / "run" / "report.html").read_text()
    page = tmp_path / "page.html"
    found = neurosim_command("report", "run", "--html", page, "--neurons", "relay1:0-1")
    assert found.code == 2
    assert "layer 'relay1' has 1 neurons, counted from 0." in found.err
    assert neurosim_command("report", "run", "--html", page, "--neurons", "relay1:0").code == 0
    assert "Neurons 0." in page.read_text()
