"""Wrong input on the command line: one sentence, the right exit code, nothing half written."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from support.chain import chain_program

from neurosim_cli.main import run as run_words
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Input, Linear, lif
from neurosim_mapper.readers import write_network


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Run words in an empty folder; returns exit code and stderr, checks what is left behind."""
    monkeypatch.chdir(tmp_path)

    def command(*words, leaves=()):
        expected = sorted({*os.listdir(tmp_path), *leaves})
        capsys.readouterr()
        code = run_words([str(word) for word in words])
        seen = capsys.readouterr()
        assert seen.out == ""
        assert sorted(os.listdir(tmp_path)) == expected, "something was left behind"
        assert "Traceback" not in seen.err
        return code, seen.err

    return command


@pytest.fixture
def here(tmp_path):
    """A program, a checkpoint, samples, and files that are none of these."""
    chain_program().save(tmp_path / "chain.nsp")
    network = Network.sequential([Input((3,)), Linear(np.ones((2, 3))), lif(1.0, 0.5)])
    write_network(network, tmp_path / "net.nir")
    np.savez(tmp_path / "x.npz", x=np.full((2, 3, 1), 5))
    np.savez(tmp_path / "other.npz", x=np.zeros((2, 3, 9)))
    np.savez(tmp_path / "nan.npz", x=np.full((2, 3, 1), np.nan))
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").touch()
    data = (tmp_path / "chain.nsp").read_bytes()
    (tmp_path / "cut.nsp").write_bytes(data[: len(data) // 2])
    (tmp_path / "cut.nir").write_bytes((tmp_path / "net.nir").read_bytes()[:1500])
    return tmp_path


SIMULATE = [
    (["gone.nsp", "--input", "x.npz"], 3, "gone.nsp: no such file."),
    (
        ["text", "--input", "x.npz"],
        3,
        "text: not a readable neurosim file: its 5 bytes are cut short or of another kind. "
        "Copy it again, or write it again with the command that made it.",
    ),
    (["empty", "--input", "x.npz"], 3, "empty: not a readable neurosim file: it is empty."),
    (["cut.nsp", "--input", "x.npz"], 3, "cut.nsp: not a readable neurosim file"),
    (["x.npz", "--input", "x.npz"], 3, "x.npz: neurosim did not write this zip file"),
    (
        ["net.nir", "--input", "x.npz"],
        3,
        "net.nir: is a checkpoint, not a program. Map it first: "
        "neurosim map net.nir --chip NAME -o net.nsp",
    ),
    (["chain.nsp", "--input", "gone.npz"], 3, "gone.npz: no such file."),
    (["chain.nsp", "--input", "text"], 3, "text: is not a .npz file"),
    (
        ["chain.nsp", "--input", "other.npz"],
        3,
        "x has shape (2, 3, 9); needed: (samples,",
    ),
    (["chain.nsp", "--input", "nan.npz"], 3, "holds NaN or infinite values"),
    (["chain.nsp", "--input", "x.npz", "--samples", "0"], 2, "samples is 0"),
    (["chain.nsp", "--input", "x.npz", "--threads", "0"], 2, "threads is 0"),
    (["chain.nsp", "--input", "x.npz", "--probe", "relay9"], 2, "there is no layer 'relay9'"),
    (["chain.nsp", "--input", "x.npz", "--noc", "magic"], 2, "'magic' is not one of"),
    (["chain.nsp", "--input", "x.npz", "-o", "text"], 2, "text: is a file; a folder is to be"),
    (["chain.nsp", "--input", "x.npz", "-o", "."], 2, "is not replaced. Choose another -o."),
    (["chain.nsp"], 2, "Missing option '--input'"),
    ([], 2, "Missing argument 'PROGRAM'"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), SIMULATE)
def test_simulate(here, call, words, code, sentence):
    found, err = call("simulate", *words)
    assert (found, sentence in err) == (code, True), err
    if code != 2:
        assert err.count("\n") == 1
        assert err.startswith("neurosim: ")


MAP = [
    (["gone.nir", "--chip", "tianjic"], 3, "gone.nir: no such file."),
    (["text", "--chip", "tianjic"], 3, "text is not in a format that neurosim knows"),
    (["empty", "--chip", "tianjic"], 3, "empty is empty."),
    (["cut.nir", "--chip", "tianjic"], 3, "cut.nir"),
    (["net.nir", "--chip", "tiajic"], 2, "unknown chip 'tiajic'. Did you mean 'tianjic'?"),
    (["net.nir", "--chip", "./gone.yaml"], 3, "gone.yaml' does not exist"),
    (["net.nir", "--chip", "tianjic", "--weight-bits", "9"], 2, "weight_bits is 9"),
    (["net.nir", "--chip", "tianjic", "--placer", "dart"], 2, "placer is 'dart'; known: "),
    (["net.nir", "--chip", "tianjic", "--partitioner", "axe"], 2, "partitioner is 'axe'; known: "),
    (["net.nir", "--chip", "tianjic", "--calibration", "other.npz"], 3, "x has shape (2, 3, 9)"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), MAP)
def test_map(here, call, words, code, sentence):
    found, err = call("map", *words, "-o", "new.nsp")
    assert (found, sentence in err) == (code, True), err
    assert err.count("\n") == 1


def test_what_does_not_fit_names_need_and_limit(here, call):
    wide = Network.sequential([Input((9,)), Linear(np.ones((9000, 9))), lif(1.0, 0.5)])
    write_network(wide, here / "wide.nir")
    words = ["map", "wide.nir", "--chip", "tiny_2x2", "-o", "new.nsp"]
    code, err = call(*words, leaves=["mapping_report.json"])
    assert code == 4
    assert err.startswith("written: mapping_report.json\nneurosim: ")
    assert "tiny_2x2" in err
    assert "4" in err


def test_what_does_not_fit_can_still_be_studied(here, capsys, monkeypatch):
    wide = Network.sequential([Input((9,)), Linear(np.ones((9000, 9))), lif(1.0, 0.5)])
    write_network(wide, here / "wide.nir")
    monkeypatch.chdir(here)
    words = ["map", "wide.nir", "--chip", "tiny_2x2", "-o", "new.nsp", "--report", "why.json"]
    assert run_words(words) == 4
    said = json.loads((here / "why.json").read_text())
    assert said["fits"] is False
    assert said["reason"] in capsys.readouterr().err
    assert not (here / "new.nsp").exists()


def test_map_cannot_write(here, call):
    code, err = call("map", "net.nir", "--chip", "tianjic", "-o", "text/new.nsp")
    assert code == 2
    assert "text/new.nsp: cannot be written" in err


OTHERS = [
    (["info", "gone"], 3, "gone: no such file."),
    (["info", "text"], 3, "text is not in a format that neurosim knows"),
    (["info", "x.npz"], 3, "x.npz: neurosim did not write this zip file; it holds no meta.json."),
    (["info", "."], 3, ".: is not a run folder; it holds no manifest.json."),
    (["report"], 2, "report needs a run folder"),
    (["report", "text"], 3, "text: is a file; a folder is needed"),
    (["report", "gone"], 3, "gone: no such run folder."),
    (["report", "."], 3, "is not a run folder; it holds no manifest.json."),
    (["compare", "--input", "x.npz"], 2, "Missing argument 'NETWORKS...'"),
    (
        ["compare", "gone.nir", "--chip", "tianjic", "--input", "x.npz"],
        3,
        "gone.nir: no such file",
    ),
    (["compare", "chain.nsp", "--input", "x.npz", "-o", "text"], 2, "text: is a file"),
    (["demo", "--chip", "nonsense"], 2, "unknown chip 'nonsense'"),
    (["demo", "-o", "text"], 2, "text: is a file"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), OTHERS)
def test_other_commands(here, call, words, code, sentence):
    found, err = call(*words)
    assert (found, sentence in err) == (code, True), err
