"""map, simulate, info, report and compare: files in, files and numbers out."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from neurosim.program.columns import load_program
from neurosim.report import report_schema
from neurosim.results import load_run_folder
from neurosim.run.simulator import simulate

SAMPLES = 6


@pytest.fixture
def program(neurosim_command, files):
    """liaf.nir mapped onto tianjic, as liaf.nsp in the current folder."""
    found = neurosim_command("map", files / "liaf.nir", "--chip", "tianjic", "-o", "liaf.nsp")
    assert found.code == 0, found.err
    return "liaf.nsp"


def test_map_writes_a_program(neurosim_command, files, program, tmp_path):
    loaded = load_program(tmp_path / program)
    assert loaded.chip.name == "tianjic"
    assert loaded.provenance["checkpoint"]["file"] == "liaf.nir"
    assert [path.name for path in tmp_path.iterdir()] == ["liaf.nsp"]


def test_map_says_what_it_made(neurosim_command, files):
    found = neurosim_command("map", files / "lif.nir", "--chip", "tianjic", "-o", "a.nsp", "--json")
    data = json.loads(found.out)
    assert data["output"] == "a.nsp"
    assert data["chip"]["name"] == "tianjic"
    assert [layer["neurons"] for layer in data["program"]["layers"]] == [20, 4]


def test_map_writes_what_it_found(neurosim_command, files, tmp_path):
    words = ["--chip", "tianjic", "-o", "a.nsp", "--report", "mapping_report.json"]
    neurosim_command("map", files / "lif.nir", *words)
    said = json.loads((tmp_path / "mapping_report.json").read_text())
    assert said["fits"] is True
    assert said["cores_used"] == load_program(tmp_path / "a.nsp").n_cores


@pytest.mark.parametrize(("words", "name"), [([], "mapping_report.json"), (["--report", "r"], "r")])
def test_a_mapping_that_fails_writes_what_it_found(neurosim_command, files, tmp_path, words, name):
    """Twenty neurons and four outputs on one core of eight neurons."""
    chip = (Path(__file__).parents[2] / "chip_configs" / "tiny_2x2.yaml").read_text()
    chip = chip.replace("grid: {wide: 2, high: 2}", "grid: {wide: 1, high: 1}")
    (tmp_path / "one.yaml").write_text(chip.replace("neurons: 16", "neurons: 8"))
    found = neurosim_command("map", files / "lif.nir", "--chip", "one.yaml", "-o", "a.nsp", *words)
    assert found.code == 4
    said = json.loads((tmp_path / name).read_text())
    assert said["fits"] is False
    assert said["reason"] in found.err
    assert f"written: {name}" in found.err
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["one.yaml", name])


def test_the_same_call_gives_the_same_bytes(neurosim_command, files, tmp_path):
    for name in ("a.nsp", "b.nsp"):
        neurosim_command("map", files / "lif.nir", "--chip", "loihi", "-o", name, "--seed", 3)
    assert (tmp_path / "a.nsp").read_bytes() == (tmp_path / "b.nsp").read_bytes()


def test_map_passes_options_on(neurosim_command, files, tmp_path):
    options = ["--placer", "random", "--seed", 5, "--input-kind", "spike"]
    options += ["--pin", "input=4,0:5,12", "--pin", "output:0=5,6"]
    found = neurosim_command(
        "map", files / "lif.nir", "--chip", "tianjic", "-o", "a.nsp", *options, "--calibration",
        files / "samples.npz",
    )  # fmt: skip
    assert found.code == 0, found.err
    loaded = load_program(tmp_path / "a.nsp")
    assert loaded.seed == 5
    assert loaded.input_code.kind == "spike"
    assert (loaded.cores.x[-1], loaded.cores.y[-1]) == (5, 6)


def test_simulate_writes_a_run_folder(neurosim_command, files, program, tmp_path):
    found = neurosim_command(
        "simulate", program, "--input", files / "samples.npz", "--noc", "cycle", "-o", "run",
        "--probe", "all", "--threads", 2,
    )  # fmt: skip
    assert found.code == 0, found.err
    folder = load_run_folder(tmp_path / "run")
    with np.load(files / "samples.npz") as data:
        expected = simulate(load_program(tmp_path / program), data["x"], labels=data["y"])
    np.testing.assert_array_equal(folder.outputs, expected.outputs)
    assert folder.report["accuracy"] == expected.accuracy
    assert folder.report["chip"]["noc_model"] == "cycle"
    assert set(folder.values) == set(expected.program.layer_names)
    assert folder.manifest["command"][0] == "neurosim"
    assert set(folder.manifest["inputs"]) == {program, "samples.npz"}
    assert "Energy per inference" in found.out
    assert all(len(line) <= 80 for line in found.out.splitlines())


@pytest.mark.parametrize(
    ("size", "code", "message"),
    [
        ("2GB", 0, ""),
        ("1 kB", 2, "memory: the run needs up to "),
        ("much", 2, "'much' is no size; needed: bytes, or a number with MB or GB."),
    ],
)
def test_simulate_keeps_to_a_memory_limit(neurosim_command, files, program, size, code, message):
    words = ("simulate", program, "--input", files / "samples.npz", "--memory-limit", size)
    found = neurosim_command(*words)
    assert found.code == code
    assert message in found.err


def test_simulate_prints_the_report_as_json(neurosim_command, files, program):
    found = neurosim_command("simulate", program, "--input", files / "samples.npz", "--json")
    assert found.code == 0
    data = json.loads(found.out)
    jsonschema.validate(data, report_schema())
    assert data["samples"] == SAMPLES


def test_simulate_a_part_of_the_samples(neurosim_command, files, program):
    words = ("simulate", program, "--input", files / "samples.npz", "--samples", 2, "--json")
    assert json.loads(neurosim_command(*words).out)["samples"] == 2


def test_simulate_static_samples(neurosim_command, files, program):
    words = ["simulate", program, "--input", files / "static.npz", "--json"]
    found = neurosim_command(*words)
    assert found.code == 2
    assert "--ticks" in found.err
    data = json.loads(neurosim_command(*words, "--ticks", 7).out)
    assert data["ticks"] == 7
    rates = [
        json.loads(neurosim_command(*words, "--ticks", 7, "--encoder", "rate", "--seed", s).out)
        for s in (1, 1)
    ]
    assert rates[0] == rates[1]


def test_report_shows_a_run_again(neurosim_command, files, program):
    run = ["simulate", program, "--input", files / "samples.npz", "-o", "run"]
    first = neurosim_command(*run)
    again = neurosim_command("report", "run")
    shown, hot_links = first.out.split("Hottest links")
    assert again.out == shown
    assert "used by" in hot_links
    data = json.loads(neurosim_command("report", "run", "--json").out)
    jsonschema.validate(data, report_schema())


def test_report_shows_what_the_cycle_level_network_saw(neurosim_command, files, program):
    run = ["simulate", program, "--input", files / "samples.npz", "--noc", "cycle", "-o", "run"]
    first = neurosim_command(*run).out
    again = neurosim_command("report", "run").out
    seen = again[again.index("Packet latency") :]
    assert first.endswith(seen)
    assert "Drain of the network" in seen
    assert all(len(line) <= 80 for line in again.splitlines())


def test_report_puts_runs_side_by_side(neurosim_command, files, program):
    for name, samples in (("one", 3), ("two", 3), ("three", 2)):
        words = ["--input", files / "samples.npz", "--samples", samples, "-o", name]
        neurosim_command("simulate", program, *words)
    found = neurosim_command("report", "one", "two", "--json")
    assert [v["name"] for v in json.loads(found.out)["variants"]] == ["one", "two"]
    refused = neurosim_command("report", "one", "three")
    assert refused.code == 2
    assert "compare needs the same" in refused.err


def test_report_schema(neurosim_command):
    assert json.loads(neurosim_command("report", "--schema").out) == report_schema()


def test_info_of_a_program(neurosim_command, files, program):
    found = neurosim_command("info", program)
    assert found.code == 0
    assert "tianjic, 12 x 13 cores" in found.out
    assert "Fits: 1 of 156 cores" in found.out
    data = json.loads(neurosim_command("info", program, "--json").out)
    assert data["program"]["cores_used"] == 1


def test_info_of_a_checkpoint(neurosim_command, files):
    found = neurosim_command("info", files / "liaf.nir")
    assert found.code == 0
    assert "Neuron, relu values, NTR" in found.out
    data = json.loads(neurosim_command("info", files / "liaf.nir", "--json").out)
    weights = [node["parameters"] for node in data["nodes"] if node["kind"] == "Linear"]
    assert weights == [12 * 20, 20 * 4]


def test_info_of_a_run_folder(neurosim_command, files, program):
    neurosim_command("simulate", program, "--input", files / "samples.npz", "-o", "run")
    found = neurosim_command("info", "run")
    assert found.code == 0
    assert "command: neurosim" in found.err


def test_compare(neurosim_command, files, tmp_path):
    words = ["--chip", "tianjic", "--input", files / "samples.npz"]
    found = neurosim_command("compare", files / "liaf.nir", files / "lif.nir", *words, "-o", "cmp")
    assert found.code == 0, found.err
    data = json.loads((tmp_path / "cmp" / "comparison.json").read_text())
    assert [v["name"] for v in data["variants"]] == ["liaf", "liaf-spikes", "lif"]
    assert [v["sends"] for v in data["variants"]] == ["analog", "spike", "spike"]
    assert data["payload_overhead"]["of_spike_packet"] == 8 / 32
    assert data["payload_overhead"]["of_analog_packet"] == 8 / 40
    assert [pair["break_even_bits"] for pair in data["pairs"]] == [32 / 40, 32 / 40]
    for variant in data["variants"]:
        report = load_run_folder(tmp_path / "cmp" / variant["name"]).report
        assert variant["bits"] * SAMPLES == pytest.approx(report["counts"]["bits_sent"])
        assert variant["energy_pj"]["total"] * SAMPLES == pytest.approx(
            report["energy_pj"]["total"]
        )
    assert all(len(line) <= 80 for line in found.out.splitlines())


def test_compare_with_spike_trains(neurosim_command, files, tmp_path):
    words = ["--chip", "tianjic", "--input", files / "samples.npz", "--no-what-if", "-o", "cmp"]
    codes = ["--recode", "phase:8", "--recode", "ttfs:3"]
    found = neurosim_command("compare", files / "liaf.nir", *codes, *words)
    assert found.code == 0, found.err
    data = json.loads((tmp_path / "cmp" / "comparison.json").read_text())
    values, phase, ttfs = data["variants"]
    assert [v["sends"] for v in (values, phase, ttfs)] == ["analog", "phase:8", "ttfs:3"]
    assert phase["accuracy"] == values["accuracy"]
    assert phase["packets"] > values["packets"] >= ttfs["packets"]
    assert [pair["spike"] for pair in data["pairs"]] == ["liaf-phase8", "liaf-ttfs3"]
    assert load_run_folder(tmp_path / "cmp" / "liaf-ttfs3").report["accuracy"] == ttfs["accuracy"]
    assert all(len(line) <= 80 for line in found.out.splitlines())


def test_compare_refuses_an_unknown_code(neurosim_command, files):
    words = ["--chip", "tianjic", "--input", files / "samples.npz"]
    found = neurosim_command("compare", files / "liaf.nir", "--recode", "burst:4", *words)
    assert found.code == 2
    assert "rate:N, ttfs:N and phase:B" in found.err


def test_compare_twice_into_one_folder(neurosim_command, files, tmp_path):
    words = ["--chip", "tianjic", "--input", files / "samples.npz", "-o", "cmp"]
    assert neurosim_command("compare", files / "liaf.nir", *words).code == 0
    assert neurosim_command("compare", files / "lif.nir", *words).code == 0
    assert sorted(p.name for p in (tmp_path / "cmp").iterdir()) == [
        "comparison.json",
        "lif",
        "report.html",
    ]
    (tmp_path / "cmp" / "lif" / "notes.txt").touch()
    refused = neurosim_command("compare", files / "lif.nir", *words)
    assert refused.code == 2
    assert "notes.txt" in refused.err


def test_compare_without_the_variant(neurosim_command, files):
    words = ["--chip", "tianjic", "--input", files / "samples.npz", "--json"]
    found = neurosim_command("compare", files / "liaf.nir", "--no-what-if", *words)
    assert [v["name"] for v in json.loads(found.out)["variants"]] == ["liaf"]


def test_compare_programs(neurosim_command, files, program):
    found = neurosim_command(
        "compare", program, program, "--input", files / "samples.npz", "--json"
    )
    assert [v["name"] for v in json.loads(found.out)["variants"]] == ["liaf", "liaf-2"]


def test_compare_needs_a_chip_for_checkpoints(neurosim_command, files):
    found = neurosim_command("compare", files / "lif.nir", "--input", files / "samples.npz")
    assert found.code == 2
    assert "a checkpoint needs --chip" in found.err


def test_demo(neurosim_command, tmp_path):
    """The shipped networks: the accuracies that their files state, and a chip that agrees."""
    found = neurosim_command("demo", "--samples", 40, "--json")
    assert found.code == 0, found.err
    data = json.loads(found.out)
    for name, accuracy in data["accuracy"].items():
        assert accuracy["bit_exact"] is True
        assert accuracy["on_chip"] == accuracy["integer"]
        assert abs(accuracy["integer"] - accuracy["float"]) <= 0.05
        folder = load_run_folder(tmp_path / "demo_run" / name)
        assert folder.report["accuracy"] == accuracy["on_chip"]
        assert folder.report["chip"]["noc_model"] == "cycle"
    assert [v["name"] for v in data["comparison"]["variants"]] == ["digits_liaf", "digits_lif"]


def test_demo_prints_what_a_person_wants(neurosim_command):
    found = neurosim_command("demo", "--samples", 5)
    for word in ("Fits", "float", "integer", "on chip", "packets", "bits", "energy", "busiest"):
        assert word in found.out
    assert all(len(line) <= 80 for line in found.out.splitlines())


def test_faults_are_named_and_the_accuracy_that_is_left(neurosim_command, files, program, tmp_path):
    words = ["--input", files / "samples.npz", "--fault", "silent:1", "-o", "run"]
    found = neurosim_command("simulate", program, *words)
    assert found.code == 0, found.err
    assert "faults: 24 places hit; accuracy " in found.err
    assert "hit: silent: core 0 (x " in found.err
    folder = load_run_folder(tmp_path / "run")
    assert folder.report["program"]["provenance"]["faults"]["hit"] == 24
    assert not folder.outputs.any()


def test_strict_lets_a_network_pass_that_stays_inside(neurosim_command, files, program):
    found = neurosim_command("simulate", program, "--input", files / "samples.npz", "--strict")
    assert found.code == 0, found.err


def test_routing_tables_in_map_info_and_the_report(neurosim_command, files):
    """One sentence in both commands; its numbers are those of the report."""
    words = ("--placer", "row-major", "--report", "report.json")
    mapped = neurosim_command(
        "map", files / "lif.nir", "--chip", "tiny_2x2", "-o", "net.nsp", *words
    )
    tables = json.loads(Path("report.json").read_text())["routing_table"]
    sentence = (
        f"routing tables: at most {tables['entries_max']} entries per core, "
        f"mean {tables['entries_mean']:g}; not limited. Routers: at most "
        f"{tables['router_entries_max']} entries, at ({tables['router'][0]}, "
        f"{tables['router'][1]}), mean {tables['router_entries_mean']:g}"
    )
    assert sentence in " ".join(mapped.err.split())
    assert sentence in " ".join(neurosim_command("info", "net.nsp").out.split())
    listed = json.loads(neurosim_command("info", "net.nsp", "--json").out)
    assert listed["routing_table"] == tables
