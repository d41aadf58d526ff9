"""`neurosim noc`: what it prints, and the exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from neurosim_cli.noc import PATTERNS, noc

TRACE = Path(__file__).parents[1] / "data" / "noc" / "m8_uniform_r030_vc1_b8_ps5_single.csv.gz"


def call(*arguments):
    return CliRunner().invoke(noc, [str(a) for a in arguments])


def test_replay_compares_and_fits_80_columns():
    result = call("replay", TRACE, "--flits", 5)
    assert result.exit_code == 0
    assert "Every cycle equals the trace." in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_replay_as_json_counts_differences():
    result = call("replay", TRACE, "--flits", 4, "--json")
    summary = json.loads(result.output)
    assert summary["packets"] == 2859
    assert summary["differing"] > 2000


def test_replay_writes_a_trace(tmp_path):
    first = tmp_path / "a.csv"
    assert call("replay", TRACE, "--flits", 5, "-o", first).exit_code == 0
    again = call("replay", first, "--flits", 5, "--json")
    assert json.loads(again.output)["differing"] == 0


def test_sweep_stops_at_saturation():
    options = ("--width", 4, "--rates", "0.1,0.3,0.95,1.0", "--cycles", 500)
    points = json.loads(call("sweep", *options, "--json").output)
    assert [point["saturated"] for point in points] == [False, False, True]
    shown = call("sweep", *options)
    assert shown.exit_code == 0
    assert "latency of uniform" in shown.output
    assert max(map(len, shown.output.splitlines())) <= 80


def test_replay_counts_flits_over_time():
    shown = json.loads(call("replay", TRACE, "--flits", 5, "--json", "--windows", 7).output)
    rows = shown["windows"]
    assert [row["cycle"] for row in rows] == [i * rows[0]["cycles"] for i in range(len(rows))]
    assert rows[-1]["cycle"] <= shown["cycles"] < rows[-1]["cycle"] + rows[-1]["cycles"]
    assert 4 <= len(rows) <= 8
    assert sum(row["flits"] for row in rows) == shown["flit_hops"]
    assert all(0 < row["busiest_flits"] <= row["cycles"] for row in rows)


def test_replay_names_the_row_of_a_malformed_trace(tmp_path):
    trace = tmp_path / "bad.csv"
    for text, sentence in (
        ("src,dst,ctime\n0,1,0\n0,x,1\n", "line 3, column dst: 'x' is not a 64-bit integer"),
        ("src,dst,ctime\n0,1,0\n0,99,1\n", "dst in row 1 is 99, the network has terminals 0 to 63"),
        ("src,dst,ctime\n0,1,5\n0,2,1\n", "create_cycle in row 1 is 1, after 5 in the row before"),
        ("src,dst,ctime\n0,1,-5\n", "release cycle in row 0 is -5"),
        ("src,dst,ctime,flits\n0,1,5,0\n", "size in row 0 is 0"),
        ("src,dst\n0,1\n", "has no column ctime"),
        ("", "is empty"),
    ):
        trace.write_text(text)
        assert sentence in str(call("replay", trace).exception)


@pytest.mark.parametrize("traffic", PATTERNS)
def test_every_pattern_sweeps_on_a_shipped_chip(traffic):
    chip = "tiny_2x2" if traffic == "transpose" else "tianjic"
    options = ("--chip", chip, "--traffic", traffic, "--rates", 0.05, "--cycles", 200, "--json")
    (point,) = json.loads(call("sweep", *options).output)
    assert point["traffic"] == traffic
    assert point["accepted"] == pytest.approx(0.05, rel=0.5)
    assert point["latency"] > 0


def test_sweep_draws_its_curves(tmp_path):
    picture = tmp_path / "curve.png"
    options = ("--width", 4, "--rates", "0.1,0.2", "--cycles", 200, "--plot", picture)
    found = call("sweep", *options, "--traffic", "uniform,transpose")
    assert found.exit_code == 0, found.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_bad_networks_and_rates_are_named():
    assert "psum" not in call("sweep", "--topology", "torus").output
    assert "dateline" in str(call("sweep", "--topology", "torus").exception)
    assert "is no list of numbers" in call("sweep", "--rates", "a").output
    assert "does not exist" in str(call("sweep", "--traffic", "storm").exception)


def test_help_shows_examples():
    for command in ("replay", "sweep"):
        assert f"neurosim noc {command}" in call(command, "--help").output
