"""`neurosim noc`: what it prints, and the exit codes."""

import json
from pathlib import Path

from click.testing import CliRunner

from neurosim_cli.noc import noc

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


def test_bad_networks_and_rates_are_named():
    assert "psum" not in call("sweep", "--topology", "torus").output
    assert "dateline" in str(call("sweep", "--topology", "torus").exception)
    assert "is no list of numbers" in call("sweep", "--rates", "a").output
    assert "does not exist" in str(call("sweep", "--traffic", "storm").exception)


def test_help_shows_examples():
    for command in ("replay", "sweep"):
        assert f"neurosim noc {command}" in call(command, "--help").output
