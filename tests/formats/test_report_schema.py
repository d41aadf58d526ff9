"""``report.json``: exactly the agreed keys, valid against the shipped schema."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest
from support.chain import chain_chip, chain_run
from support.chips import make_chip
from support.networks import random_input, random_network

import neurosim
from neurosim.cost.energy import PARTS
from neurosim.report import Report, make_report, report_schema
from neurosim.report.schema import COUNTS
from neurosim_mapper.pipeline import map_network

TOP = [
    "schema",
    "chip",
    "program",
    "samples",
    "ticks",
    "accuracy",
    "counts",
    "bandwidth",
    "latency",
    "energy_pj",
    "power_w",
]
SECTIONS = {
    "bandwidth": [
        "packet_bits",
        "payload_bits",
        "bits_sent",
        "bit_hops",
        "peak_link_bits_per_tick",
        "mean_link_bits_per_tick",
        "peak_link",
    ],
    "latency": [
        "cycles_total",
        "cycles_per_tick_mean",
        "cycles_per_tick_max",
        "seconds_per_sample",
        "overruns",
        "bound",
    ],
    "energy_pj": ["synapse", "soma", "router", "link", "io", "static", "total"],
}


@pytest.fixture(scope="module")
def data():
    run = chain_run(np.full((2, 3), 5), labels=[0, 0])
    return json.loads(run.report().to_json())


def check(instance):
    schema = report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(instance)


def test_exactly_the_agreed_keys(data):
    assert list(data) == TOP
    for section, keys in SECTIONS.items():
        assert list(data[section]) == keys
    assert list(data["latency"]["bound"]) == ["compute", "memory", "traffic"]
    assert data["schema"] == "neurosim-report/1"


def test_valid_against_the_schema(data):
    check(data)
    assert set(data["counts"]) == set(COUNTS)


def test_without_labels_accuracy_is_null():
    data = chain_run(np.full((1, 1), 5)).report().to_dict()
    assert data["accuracy"] is None
    check(json.loads(json.dumps(data)))


@pytest.mark.parametrize("noc", ["ideal", "cycle"])
@pytest.mark.parametrize("seed", range(3))
def test_random_runs_are_valid(seed, noc):
    rng = np.random.default_rng(seed)
    chip = make_chip(grid={"wide": 12, "high": 12})
    network = random_network(rng, chip)
    program = map_network(network, chip)
    run = neurosim.simulate(program, random_input(rng, network, 2, 3), noc=noc)
    data = json.loads(run.report().to_json())
    check(data)
    assert data["chip"]["noc_model"] == noc


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("samples",), -1),
        (("accuracy",), 1.5),
        (("counts", "macs"), 0.5),
        (("energy_pj", "link"), None),
        (("latency", "extra"), 1),
        (("chip", "digest"), "abc"),
        (("schema",), "neurosim-report/2"),
        (("energy_pj", "sparkle"), 1.0),
    ],
)
def test_the_schema_refuses_other_data(data, path, value):
    broken = json.loads(json.dumps(data))
    section = broken
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        check(broken)


def test_every_term_of_the_energy_is_traceable(data):
    """Count and unit energy of each term are in the report, and make up what it says."""
    seconds = data["latency"]["seconds_per_sample"] * data["samples"] * data["chip"]["chips"]
    for term in data["chip"]["energy_terms"]:
        if term["part"] == "static":
            assert term["count"] == pytest.approx(seconds)
        else:
            assert term["count"] == data["counts"][term["counter"]]
    for part in PARTS:
        terms = [t["energy_pj"] for t in data["chip"]["energy_terms"] if t["part"] == part]
        assert sum(terms) == pytest.approx(data["energy_pj"][part], abs=1e-9)


def test_facts_about_program_and_chip(data):
    program = data["program"]
    assert program["cores_used"] == 3
    assert program["cores_available"] == 4
    assert program["name"] == "relay0 > relay1 > relay2"
    assert [layer["sends"] for layer in program["layers"]] == ["analog"] * 3
    assert [layer["cores"] for layer in program["layers"]] == [1, 1, 1]
    assert data["chip"]["name"] == "test"
    assert len(data["program"]["digest"]) == 64


def test_digests_follow_content():
    runs = [
        chain_run(np.full((1, 1), 5), chip)
        for chip in (chain_chip(), chain_chip(), chain_chip(core__send_zero=True))
    ]
    same, again, other = (run.report().to_dict() for run in runs)
    assert same["chip"]["digest"] == again["chip"]["digest"] != other["chip"]["digest"]
    assert same["program"]["digest"] == again["program"]["digest"] != other["program"]["digest"]


def test_the_digest_of_a_program_survives_its_file(tmp_path):
    run = chain_run(np.full((1, 1), 5))
    run.program.save(tmp_path / "p.nsp")
    loaded = neurosim.load_program(tmp_path / "p.nsp")
    again = neurosim.simulate(loaded, np.full((1, 1, 1), 5))
    assert again.report().to_json() == run.report().to_json()


def test_threads_do_not_change_the_report():
    texts = {
        chain_run(np.full((6, 3), 5), threads=threads).report().to_json() for threads in (1, 2, 5)
    }
    assert len(texts) == 1


def test_report_is_found_where_the_package_says():
    run = chain_run(np.full((1, 1), 5))
    assert neurosim.Report is Report
    assert isinstance(make_report(run), neurosim.Report)
    assert all(len(line) <= 80 for line in str(run.report()).splitlines())
