"""PyTorch's recurrent layers, and convolutional ones, export to what they compute."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from neurosim.errors import UnsupportedError, UsageError  # noqa: E402
from neurosim_mapper.float_executor import run_float  # noqa: E402
from neurosim_mapper.readers import read_network  # noqa: E402
from neurosim_mapper.readers.from_torch import from_torch  # noqa: E402
from neurosim_mapper.readers.state_dict import read_state_dict  # noqa: E402
from neurosim_mapper.readers.template import template  # noqa: E402
from neurosim_mapper.recurrent import Recurrent  # noqa: E402
from neurosim_mapper.torch import (  # noqa: E402
    ConvRecurrent,
    DenseLIF,
    TimeReduce,
    export_network,
    quantization_aware,
    save_checkpoint,
)
from neurosim_mapper.torch.zoo import QuestionNetwork  # noqa: E402
from neurosim_mapper.variants import sends_values  # noqa: E402


class Classifier(nn.Module):
    """The usual way: the last output of a recurrent layer, then a linear one."""

    def __init__(self, cells: nn.RNNBase):
        super().__init__()
        self.cells, self.answer = cells, nn.Linear(cells.hidden_size, 3)

    def forward(self, x):
        sequence, _ = self.cells(x)
        return self.answer(sequence[:, -1])


def outputs(network, x: torch.Tensor) -> np.ndarray:
    y = run_float(network, x.numpy())
    return y[:, -1] if network.readout == "last" else y


LAYERS = [
    nn.RNN(4, 5, batch_first=True),
    nn.RNN(4, 5, nonlinearity="relu", bias=False, batch_first=True),
    nn.GRU(4, 5, num_layers=2, batch_first=True, dropout=0.5),
    nn.LSTM(4, 5, batch_first=True),
]


@pytest.mark.parametrize("cells", LAYERS, ids=str)
def test_layers_of_torch(cells, tmp_path):
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    for model in (Classifier(cells), cells):
        network = from_torch(model, x)
        model.eval()
        with torch.no_grad():
            found = model(x)
        expected = (found[0] if isinstance(found, tuple) else found).numpy()
        shown = outputs(network, x).reshape(expected.shape)
        np.testing.assert_allclose(shown, expected, atol=1e-6)
    save_checkpoint(model, tmp_path / "cells.nir", x)
    again = read_network(tmp_path / "cells.nir")
    np.testing.assert_array_equal(outputs(again, x), outputs(network, x))


@pytest.mark.parametrize("cells", LAYERS, ids=str)
def test_a_state_dict_is_recognised_and_described(cells, tmp_path):
    model = nn.Sequential(cells)
    torch.save(model.state_dict(), tmp_path / "cells.pt")
    text = template(read_state_dict(tmp_path / "cells.pt"), "cells.pt")
    text = text.replace("reading: '?'", "reading: snntorch")
    relu = getattr(cells, "nonlinearity", "tanh") == "relu"
    text = text.replace("activation: '?'", f"activation: {'relu' if relu else 'tanh'}")
    (tmp_path / "cells.yaml").write_text(text)
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    expected = outputs(export_network(model.eval(), x), x)
    np.testing.assert_array_equal(outputs(read_network(tmp_path / "cells.yaml"), x), expected)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_convolutional_layers(kind):
    x = torch.randn(2, 4, 2, 5, 6, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(ConvRecurrent(kind, 2, 3), nn.Flatten(2), TimeReduce("sum"))
    network = export_network(model, x)
    with torch.no_grad():
        expected = model(x).numpy()
    np.testing.assert_allclose(run_float(network, x.numpy()).sum(axis=1), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_the_network_of_the_paper_in_its_recurrent_forms(kind):
    model = QuestionNetwork(kind, 6, 5, 4)
    x = torch.eye(6)[torch.randint(0, 6, (3, 7, 2))].flatten(2)
    network = export_network(model, x)
    layers = [node for node in network.nodes.values() if isinstance(node, Recurrent)]
    assert [layer.kind for layer in layers] == [kind.lower()] * 2
    assert sends_values(network) == ()
    with torch.no_grad():
        np.testing.assert_allclose(outputs(network, x), model(x).numpy(), atol=1e-6)


@pytest.mark.parametrize("cells", [nn.GRU(4, 5, 2), nn.LSTM(4, 5), nn.RNN(4, 5)], ids=str)
def test_ticks_in_front_of_the_batch(cells):
    class Late(Classifier):
        """The host's samples are turned before the layer, or the model takes them turned."""

        turns = False

        def forward(self, x):
            sequence, _ = self.cells(x.transpose(0, 1) if self.turns else x)
            return self.answer(sequence[-1])

    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    for model, given in (
        (cells, x.transpose(0, 1)),
        (Late(cells), x.transpose(0, 1)),
        (turned := Late(cells), x),
    ):
        turned.turns = given is x
        network = from_torch(model, given)
        with torch.no_grad():
            found = model(given)
        found = found[0].transpose(0, 1) if isinstance(found, tuple) else found
        shown = outputs(network, x).reshape(found.shape)
        np.testing.assert_allclose(shown, found.numpy(), atol=1e-6)
        said = "The model takes (ticks, batch, ...); the network takes (samples, ticks, ...), as "
        assert any(note.startswith(said) for note in network.assumptions) == (given is not x)


class Loop(nn.Module):
    """A cell in a loop over the ticks, and what is done with its outputs."""

    def __init__(self, cell, returns, start=None, carry=lambda state: state):
        super().__init__()
        self.cell, self.answer = cell, nn.Linear(5, 3)
        self.returns, self.start, self.carry = returns, start, carry

    def forward(self, x):
        state, outputs = self.start, []
        for tick in range(x.shape[1]):
            state = self.cell(x[:, tick], self.carry(state))
            outputs.append(self.answer(state[0] if isinstance(state, tuple) else state))
        return self.returns(outputs)


@pytest.mark.parametrize(
    ("cell", "start"),
    [
        (nn.RNNCell(4, 5, nonlinearity="relu"), None),
        (nn.GRUCell(4, 5, bias=False), torch.zeros(2, 5)),
        (nn.LSTMCell(4, 5), (torch.zeros(2, 5), torch.zeros(2, 5))),
    ],
    ids=str,
)
def test_cells_in_a_loop(cell, start):
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    ways = {
        "last": lambda outputs: outputs[-1],
        "sum": lambda outputs: torch.stack(outputs).sum(0),
        "mean": lambda outputs: torch.stack(outputs, 1).mean(1),
    }
    for readout, returns in ways.items():
        model = Loop(cell, returns, start)
        network = from_torch(model, x)
        assert network.readout == readout
        y = run_float(network, x.numpy())
        found = y[:, -1] if readout == "last" else getattr(y, readout)(axis=1)
        with torch.no_grad():
            np.testing.assert_allclose(found, model(x).numpy(), atol=1e-6)
    assert from_torch(Loop(cell, torch.stack, start), x).readout == "sum"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Loop(nn.GRUCell(4, 5), torch.stack, torch.ones(2, 5)), "starts from a state that is not"),
        (
            Loop(nn.GRUCell(4, 5), torch.stack, torch.zeros(2, 5), lambda h: 0.5 * h),
            "'cell' goes on from another state than the one that it put out in the tick before",
        ),
        (Loop(nn.RNNCell(4, 5), torch.stack, None, lambda h: None), "goes on from another state"),
    ],
)
def test_cells_that_do_not_keep_their_state(model, message):
    with pytest.raises(UnsupportedError, match=message):
        from_torch(model, torch.zeros(2, 3, 4))


class LastState(nn.Module):
    """The other usual way: the state after the last tick."""

    def __init__(self, cells, take):
        super().__init__()
        self.cells, self.answer, self.take = cells, nn.Linear(5, 3), take

    def forward(self, x):
        return self.answer(self.take(self.cells(x)[1]))


@pytest.mark.parametrize(
    ("cells", "take"),
    [
        (nn.GRU(4, 5, 2, batch_first=True), lambda h: h[-1]),
        (nn.RNN(4, 5, batch_first=True), lambda h: h.squeeze(0)),
        (nn.LSTM(4, 5, batch_first=True), lambda h: h[0][-1]),
    ],
)
def test_the_state_after_the_last_tick(cells, take):
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    model = LastState(cells, take)
    with torch.no_grad():
        expected = model(x).numpy()
    network = from_torch(model, x)
    assert network.readout == "last"
    np.testing.assert_allclose(outputs(network, x), expected, atol=1e-6)


class Mixed(nn.Module):
    """One layer takes the batch first, the other the ticks."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.GRU(4, 4, batch_first=True), nn.GRU(4, 4)

    def forward(self, x):
        return self.second(self.first(x)[0])[0]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.GRU(4, 5, batch_first=True, bidirectional=True), r"a GRU that reads backwards in time"),
        (
            nn.LSTM(4, 5, batch_first=True, proj_size=2),
            r"a LSTM that projects its state has no form",
        ),
        (
            LastState(nn.RNN(4, 5, batch_first=True), lambda h: h),
            r"uses the state that a recurrent layer returns beside its sequence",
        ),
        (
            LastState(nn.LSTM(4, 5, batch_first=True), lambda h: h[1][-1]),
            r"takes a state of a recurrent layer that is not its output: only h of the last",
        ),
        (
            Mixed(),
            r"Layer 'first': a GRU with batch_first=True takes \(batch, ticks, features\), but",
        ),
        (
            nn.Sequential(nn.GRU(4, 4), DenseLIF(4, 4)),
            r"Layer '1\.neurons': a DirectLIF takes \(batch, .*, but gets \(ticks, batch",
        ),
        (
            nn.Sequential(DenseLIF(4, 4), TimeReduce("mean"), nn.GRU(4, 5, batch_first=True)),
            r"Layer '2' has a state, but comes behind a reduction over time\.",
        ),
    ],
)
def test_refusals(model, message):
    with pytest.raises(UnsupportedError, match=message):
        export_network(model, torch.zeros(1, 3, 4))


def test_training_in_integers_names_the_layer():
    with pytest.raises(UnsupportedError, match=r"'statement.cells': RNN, GRU and LSTM layers can"):
        quantization_aware(QuestionNetwork("GRU", 6, 5, 4), "tianjic", np.zeros((4, 5, 12)))


def test_wrong_kinds():
    with pytest.raises(UsageError, match="kind is 'MLP' and kernel 3; known: RNN, GRU, LSTM, odd"):
        ConvRecurrent("MLP", 2, 3)
