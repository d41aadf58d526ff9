"""Export, read back, run: the module's own outputs, for every model, layer, mode and sharing.

In float the outputs agree to 1e-6 (the module runs in double precision, so that no potential falls
on the other side of its threshold through rounding); in the integers of the chip they are equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the layers are PyTorch modules (extra 'train')")

from torch import nn  # noqa: E402

from neurosim.chip.files import load_chip  # noqa: E402
from neurosim_mapper.float_executor import run_float  # noqa: E402
from neurosim_mapper.nodes import ACTIVATIONS  # noqa: E402
from neurosim_mapper.quantizer import quantize  # noqa: E402
from neurosim_mapper.readers import read_network  # noqa: E402
from neurosim_mapper.reference import run_reference  # noqa: E402
from neurosim_mapper.torch import (  # noqa: E402
    MODELS,
    TimeDistributed,
    quantization_aware,
    save_checkpoint,
)

torch.set_num_threads(1)
SHAPE = (2, 4, 4)  # of the image that enters
TICKS = 5
RELAXED = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def build(kind: str, layer: str, sharing: str, draw: dict[str, Any], seed: int) -> Any:
    """One layer of the wanted kind behind a small convolution, and a dense layer behind it."""
    torch.manual_seed(seed)
    first = MODELS["LIAF"]["conv"](2, 3, 3, batch_norm=True)
    images = {"conv": (4, 4, 4), "pooling": (3, 2, 2), "direct": (3, 4, 4)}
    if layer == "dense":
        tested = nn.Sequential(
            nn.Flatten(2), MODELS[kind]["dense"](48, 6, batch_norm=True, sharing=sharing, **draw)
        )
        n_out = 6
    else:
        shape = images[layer]
        more = {"conv": (3, 4), "pooling": (2,), "direct": (shape,)}[layer]
        named = {} if layer == "direct" else {"shape": shape}
        tested = MODELS[kind][layer](*more, **named, sharing=sharing, **draw)
        n_out = int(np.prod(shape))
    last = nn.Sequential(nn.Flatten(2), nn.Linear(n_out, 4))
    model = nn.Sequential(first, tested, last)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.15 * torch.randn(p.shape, generator=generator))
        for m in model.modules():
            if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
                m.running_mean.copy_(0.3 * torch.randn(m.running_mean.shape, generator=generator))
                m.running_var.copy_(0.3 + torch.rand(m.running_var.shape, generator=generator))
    return model.eval().double()


def inputs(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, size=(3, TICKS, *SHAPE)).astype(np.float64)


OPTIONS = st.fixed_dictionaries(
    {
        "reset": st.sampled_from(["hard", "hard", "soft", "none"]),
        "decay_map": st.sampled_from(["clamp", "tanh", "sigmoid"]),
        "threshold": st.floats(0.2, 1.2),
    }
)
ANALOG = st.fixed_dictionaries(
    {
        "activation": st.sampled_from(ACTIVATIONS),
        "mode": st.sampled_from(["NTR", "TR"]),
        "clamp": st.sampled_from([None, None, (-0.5, 1.5), (0.0, 1.0)]),
    }
)
CASES = [
    (kind, layer, sharing)
    for kind in MODELS
    for layer in ("dense", "conv", "direct", "pooling")
    for sharing in ("all", "channel", "non")
]


def settings_for(kind: str, data: st.DataObject) -> dict[str, Any]:
    chosen = dict(data.draw(OPTIONS))
    if kind == "LIAF":
        chosen |= data.draw(ANALOG)
    elif chosen["reset"] == "none":
        chosen["reset"] = "hard"
    return chosen


@pytest.mark.parametrize(("kind", "layer", "sharing"), CASES)
@RELAXED
@given(data=st.data(), seed=st.integers(0, 2**31))
def test_float_export_read_back_gives_the_outputs_of_the_module(
    kind, layer, sharing, data, seed, tmp_path
):
    model = build(kind, layer, sharing, settings_for(kind, data), seed)
    x = inputs(seed)
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).numpy()
    save_checkpoint(model, tmp_path / "model.nir", torch.from_numpy(x))
    found = run_float(read_network(tmp_path / "model.nir"), x)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("kind", "layer", "sharing"), CASES)
@settings(RELAXED, max_examples=3)
@given(data=st.data(), seed=st.integers(0, 2**31))
def test_integer_export_read_back_is_equal_bit_for_bit(kind, layer, sharing, data, seed, tmp_path):
    """The module after some training (here: noise on every number) against the integer reference.

    The inputs of the test are not those of the calibration, so that values saturate, too.
    """
    chip = load_chip(data.draw(st.sampled_from(["tianjic", "loihi"])))
    model = build(kind, layer, sharing, settings_for(kind, data), seed)
    aware = quantization_aware(model, chip, inputs(seed))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in aware.parameters():
            noise = torch.randn(p.shape, generator=generator)
            p.add_(0.1 * p.abs().mean() * noise)
    x = 2 * inputs(seed + 1)
    aware.eval()
    with torch.no_grad():
        expected = {name: v.numpy() for name, v in aware.integers(x).items()}
    save_checkpoint(aware, tmp_path / "aware.nir")
    quantized = quantize(read_network(tmp_path / "aware.nir"), chip)
    found = run_reference(quantized, x)
    np.testing.assert_array_equal(found, expected[aware.output])
    assert expected[aware.output].any(), "a silent network shows nothing"


def test_residual_networks_keep_their_additions(tmp_path):
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = MODELS["LIAF"]["conv"](2, 3, 3, activation="relu")
            self.inner = MODELS["LIF"]["conv"](3, 3, 3)
            self.outer = TimeDistributed(nn.Conv2d(3, 3, 3, padding=1))
            self.last = MODELS["LIAF"]["direct"](activation="tanh", mode="TR")

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            return self.last(self.outer(self.inner(x)) + x).flatten(2).mean(1)

    torch.manual_seed(3)
    model = Residual().double()
    x = inputs(3)
    network = save_checkpoint(model, tmp_path / "residual.nir", torch.from_numpy(x))
    assert network.readout == "mean"
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).numpy()
    found = run_float(read_network(tmp_path / "residual.nir"), x).mean(axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    aware = quantization_aware(model, "tianjic", x)
    aware.eval()
    quantized = quantize(aware.network(), load_chip("tianjic"))
    with torch.no_grad():
        integers = aware.integers(x)[aware.output].numpy()
    np.testing.assert_array_equal(run_reference(quantized, x), integers)
