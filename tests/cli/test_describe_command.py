"""``neurosim describe``: tensors, guessed descriptions, blanks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from support.frameworks import FOLDER

from neurosim.errors import InputFileError
from neurosim_cli.main import cli
from neurosim_mapper.float_executor import run_float
from neurosim_mapper.readers import read_network


def describe(*words: str) -> Result:
    return CliRunner().invoke(cli, ["describe", *words])


# Networks of linear layers and neurons whose tensors say everything that is not a default.
WITHOUT_BLANKS = [
    "snntorch/dense_subtract",
    "snntorch/dense_zero",
    "snntorch/dense_graded",
    "snntorch/dense_none",
    "snntorch/rleaky_zero",
    "snntorch/rleaky_diagonal",
    "snntorch/rsynaptic_zero",
    "rockpool/lif_default",
    "sinabs/lif_default",
    "sinabs/lif_alphas",
]


@pytest.mark.parametrize("name", WITHOUT_BLANKS)
def test_a_guess_without_blanks_gives_every_spike(name: str, tmp_path: Path) -> None:
    output = tmp_path / "guess.yaml"
    result = describe(str(FOLDER / f"{name}.pt"), "-o", str(output))
    assert result.exit_code == 0, result.output
    assert ", 0 blanks (?) to fill" in result.output
    arrays = np.load(FOLDER / f"{name}.npz")
    np.testing.assert_array_equal(run_float(read_network(output), arrays["x"]), arrays["spikes"])


def test_blanks_are_asked_for_one_by_one(tmp_path: Path) -> None:
    """Tensors that say little: filling in blank after blank leads to the network."""
    name = "spikingjelly/conv_norm_maxpool"
    output = tmp_path / "net.yaml"
    assert describe(str(FOLDER / f"{name}.pt"), "-o", str(output)).exit_code == 0
    text = output.read_text()
    answers = {
        "reading": "spikingjelly",
        "input": "[1, 8, 8]",
        "stride": "1",
        "padding": "1",
        "decay": "0.5",
        "threshold": "1",
        "gain": "one_minus_decay",
    }
    kinds = iter(
        ["neuron\n  decay: 0.5\n  gain: 0.5\n  threshold: 1", "max_pool\n  kernel: 2", "flatten"]
    )
    for _ in range(text.count("'?'")):
        with pytest.raises(InputFileError, match=r"is still blank \(\?\)|needs reading") as caught:
            read_network(output)
        line = int(re.search(r"net.yaml:(\d+):", str(caught.value))[1])  # type: ignore[index]
        lines = output.read_text().split("\n")
        key = lines[line - 1].strip().removeprefix("- ").partition(":")[0]
        answer = next(kinds) if key == "kind" else answers[key]
        lines[line - 1] = lines[line - 1].replace("'?'", answer)
        output.write_text("\n".join(lines))
    arrays = np.load(FOLDER / f"{name}.npz")
    np.testing.assert_array_equal(run_float(read_network(output), arrays["x"]), arrays["spikes"])


def test_json_lists_tensors_and_left_over_state() -> None:
    data = json.loads(describe(str(FOLDER / "rockpool/lif_default.pt"), "--json").stdout)
    assert (data["format"], data["framework"], data["output"]) == ("torch", "rockpool", None)
    left = [row["tensor"] for row in data["tensors"] if row["state"]]
    assert "1_LIFTorch.vmem" in left
    assert "1_LIFTorch.tau_mem" not in left


def test_a_description_is_not_replaced_unasked(tmp_path: Path) -> None:
    output = tmp_path / "net.yaml"
    output.write_text("mine")
    words = (str(FOLDER / "snntorch/dense_zero.pt"), "-o", str(output))
    assert "is there already" in str(describe(*words).exception)
    assert output.read_text() == "mine"
    assert describe(*words, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("snntorch/conv_groups", "conv2d neuron conv2d neuron flatten linear neuron"),
        ("sinabs/conv_sumpool", "conv2d neuron ? conv2d neuron flatten linear neuron"),
        ("rockpool/lif_constant", "linear neuron linear neuron"),
    ],
)
def test_layers_without_tensors_are_guessed(name: str, kinds: str, tmp_path: Path) -> None:
    """Neurons with nothing but state; a flatten where a linear layer follows a convolution."""
    output = tmp_path / "net.yaml"
    assert describe(str(FOLDER / f"{name}.pt"), "-o", str(output)).exit_code == 0
    found = [
        line.split(":")[1].strip(" '")
        for line in output.read_text().splitlines()
        if "kind:" in line
    ]
    assert " ".join(found) == kinds
