"""`complexity`: tables that fit 80 columns, and the same numbers as JSON."""

import json

import numpy as np
from click.testing import CliRunner

from neurosim.chip.files import load_chip
from neurosim_cli.complexity import complexity
from neurosim_mapper.complexity import ConvShape, Cost, DenseShape, conv_lstm, gru, lstm
from neurosim_mapper.gated_costs import with_gated_layers
from neurosim_mapper.layer_costs import LayerCost, layer_costs
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Input, Linear, lif
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.readers import write_network
from neurosim_mapper.recurrent import Recurrent


def run(*args):
    return CliRunner().invoke(complexity, list(args), catch_exceptions=False)


def test_every_table_fits_80_columns():
    done = run()
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) <= 80
    for title in ("Table I:", "Table II:", "Table IV:", "Table VII:", "Table IX:"):
        assert title in done.output
    assert "6,879,313,920" in done.output
    assert "deviates (a)" in done.output


def test_large_layers_still_fit():
    done = run("--table", "II", "--conv", "1000,4096,4096,4096,7,7,4096")
    assert max(map(len, done.output.splitlines())) <= 80


def test_json_holds_both_numbers():
    tables = json.loads(run("--table", "VII", "--table", "I", "--json").output)
    assert set(tables) == {"VII", "I"}
    lif = next(e for e in tables["VII"] if (e["row"], e["column"]) == ("ConvLIF", "MULs"))
    assert (lif["printed"], lif["computed"], lif["match"]) == (2.1e8, 10_158_080, "deviates")
    assert tables["I"][0]["muls"] == 100 * 51


def test_layers_of_choice_and_bad_ones():
    tables = json.loads(run("--table", "I", "--inputs", "3", "--cells", "2", "--json").output)
    assert tables["I"][0]["muls"] == 2 * 4
    done = run("--conv", "1,2,x")
    assert done.exit_code == 2
    assert "seven whole numbers" in done.output.replace("\n", " ")


def test_layers_of_a_checkpoint(neurosim_command, tmp_path):
    """Formulas for a dense layer of 3 inputs and 2 neurons; one of two inputs is active."""
    network = Network.sequential([Input((2,)), Linear(np.ones((3, 2))), lif(1.0, 0.5)])
    write_network(network, tmp_path / "net.nir")
    np.savez(tmp_path / "x.npz", x=np.tile([1.0, 0.0], (4, 5, 1)))
    words = ["complexity", tmp_path / "net.nir", "--input", tmp_path / "x.npz"]
    found = neurosim_command(*words, "--json")
    assert found.code == 0, found.err
    (layer,) = json.loads(found.out)["layers"]
    assert layer["formula"] == {"muls": 3 * 5, "adds": 3 * 4 * 5, "weights": 3 * 3}
    assert (layer["synaptic_ops"], layer["macs"], layer["active_share"]) == (15.0, 0.0, 0.5)
    shown = neurosim_command(*words)
    assert "spike" in shown.out
    assert all(len(line) <= 80 for line in shown.out.splitlines())


def test_a_layer_with_gates_is_one_row(neurosim_command, tmp_path):
    """The formula is that of the paper; the operations are those of all parts on the chip."""
    rng, k, n, ticks = np.random.default_rng(0), 3, 4, 5
    for kind, formula in (("gru", gru), ("lstm", lstm)):
        gates = {"gru": 3, "lstm": 4}[kind]
        cells = Recurrent(kind, rng.normal(size=(gates * n, k)), rng.normal(size=(gates * n, n)))
        x = rng.integers(-2, 3, (4, ticks, k))
        network = Network.sequential([Input((k,)), cells])
        write_network(network, tmp_path / "net.nir")
        np.savez(tmp_path / "x.npz", x=x)
        words = ["complexity", tmp_path / "net.nir", "--input", tmp_path / "x.npz"]
        found = neurosim_command(*words, "--json")
        assert found.code == 0, found.err
        (row,) = json.loads(found.out)["layers"]
        assert row["name"] == f"recurrent1 ({kind.upper()})"
        expected = formula(DenseShape(k, n)).over(ticks)
        assert row["formula"] == vars(expected)
        parts = layer_costs(quantize(network, load_chip("tianjic"), x), ticks, x)
        assert row["neurons"] == {"gru": 9, "lstm": 13}[kind] * n
        assert row["macs"] == sum(part.macs for part in parts)
        assert f"{kind.upper()} layer" in neurosim_command("info", tmp_path / "net.nir").out


def test_gates_that_convolve_have_the_formula_of_table_2():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(16, 2, 3, 3)), rng.normal(size=(16, 4, 3, 3))
    network = Network.sequential([Input((2, 5, 6)), Recurrent("lstm", *weights)])
    names = ("recurrent1.i", "recurrent1")
    parts = [LayerCost(name, 120, Cost(1, 1, 1)) for name in names]
    (row,) = with_gated_layers(network, parts, ticks=7)
    assert row.formula == conv_lstm(ConvShape(7, 5, 6, 4, (3, 3), 2))
    assert (row.neurons, row.macs) == (240, None)


def test_a_checkpoint_needs_ticks(neurosim_command, tmp_path):
    network = Network.sequential([Input((2,)), Linear(np.ones((3, 2))), lif(1.0, 0.5)])
    write_network(network, tmp_path / "net.nir")
    found = neurosim_command("complexity", tmp_path / "net.nir")
    assert found.code == 2
    assert "how many ticks?" in found.err
