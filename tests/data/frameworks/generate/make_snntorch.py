"""Train, record, export small snnTorch networks: ``python make_snntorch.py OUTPUT [NAME ...]``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import snntorch as snn
import torch
from common import Case, scale_weights, structural, write_cases
from snntorch.export_nir import export_to_nir
from snntorch_neurons import (
    graded,
    leaky,
    leaky_over_one,
    mixed,
    rleaky,
    rleaky_diagonal,
    rsynaptic,
    scalar,
    spread,
    synaptic,
)
from torch import nn

RESETS = ("subtract", "zero", "none")
CALL = "snntorch.export_nir.export_to_nir(net, sample, ignore_dims=[0])"


class Step(torch.autograd.Function):
    """Step that keeps the dtype (snnTorch's own always returns float32), arctan gradient."""

    @staticmethod
    def forward(ctx: Any, u: torch.Tensor) -> torch.Tensor:
        """Spike where u > 0."""
        ctx.save_for_backward(u)
        return (u > 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        """Derivative of an arctan of slope 1 at 0."""
        (u,) = ctx.saved_tensors
        return gradient / (1 + (torch.pi * u) ** 2)


def reset(net: nn.Module) -> None:
    """Zero all states (``snntorch.utils.reset`` forgets the spikes of RSynaptic layers)."""
    for layer in net.modules():
        if isinstance(layer, snn.SpikingNeuron):
            layer.reset_mem()


def run(net: nn.Sequential, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Step through the ticks; all neurons keep their state inside (``init_hidden=True``)."""
    reset(net)
    steps: dict[str, list[torch.Tensor]] = {}
    for tick in range(x.shape[1]):
        value = x[:, tick]
        for name, layer in net.named_children():
            value = layer(value)
            if isinstance(layer, snn.SpikingNeuron):
                value = value[0] if isinstance(value, tuple) else value
                steps.setdefault(name, []).append(value)
    return {name: torch.stack(values, dim=1) for name, values in steps.items()}


def describe_neuron(name: str, layer: snn.SpikingNeuron) -> dict[str, Any]:
    """Equation of one snnTorch layer, with the keys of the state_dict."""
    reset = RESETS[int(layer.reset_mechanism_val)]
    recurrent = isinstance(layer, snn.RLeaky | snn.RSynaptic)
    synaptic = isinstance(layer, snn.Synaptic | snn.RSynaptic)
    timing = "next_step_after_leak" if reset == "subtract" else "next_step_drop_input"
    if reset == "zero" and type(layer) is snn.Leaky:
        timing = "same_step"  # late in the code, but U = b (1 - S') U' + x is the same
    if not layer.reset_delay:
        timing = "snntorch_no_delay" if reset == "subtract" else "same_step"
    neuron: dict[str, Any] = {
        "name": name,
        "kind": "neuron",
        "class": f"snntorch.{type(layer).__name__}",
        "decay": {"key": f"{name}.beta", "form": "clamp(x,0,1)"},
        "gain": 1.0,
        "constant": 0.0,
        "threshold": {"key": f"{name}.threshold", "form": "x"},
        "compare": ">",
        "reset": {"subtract": "soft", "zero": "hard", "none": "none"}[reset],
        "reset_timing": None if reset == "none" else timing,
        "reset_value": 0.0,
        "v_start": 0.0,
        "max_spikes": 1,
        "reset_delay": layer.reset_delay,
        "output_factor": float(layer.graded_spikes_factor),
    }
    if synaptic:
        neuron |= {
            "syn_decay": {"key": f"{name}.alpha", "form": "clamp(x,0,1)"},
            "syn_update": "decay_then_add",
        }
    if recurrent:
        keys = {"diagonal": f"{name}.recurrent.V"}
        if layer.all_to_all:
            keys = {
                "weight": f"{name}.recurrent.weight",
                "bias": f"{name}.recurrent.bias",
            }
        neuron["recurrent"] = keys
    return neuron


def layers(net: nn.Module) -> list[dict[str, Any]]:
    """Describe all layers of a sequence."""
    return [
        structural(name, layer) or describe_neuron(name, layer)
        for name, layer in net.named_children()
    ]


def export(net: nn.Module, sample: torch.Tensor) -> nir.NIRGraph:
    """Export as the package's tutorials do, with a batch axis that is left out of the types."""
    reset(net)
    return export_to_nir(net, sample[:1], ignore_dims=[0])


def reading(reset: str, timing: str | None, **more: Any) -> dict[str, Any]:
    """Reading of the NIR file of an snnTorch network."""
    return {
        "dt": 1e-4,
        "decay": "euler",
        "decay_clamp": [0, 1],
        "gain": "unit",
        "reset": reset,
        "reset_timing": timing,
        "compare": ">",
        "v_start": "zero",
        "max_spikes": 1,
    } | more


SOFT = reading("soft", "next_step_after_leak")
HARD = reading("hard", "same_step")
DROP = reading("hard", "next_step_drop_input")
SYNAPSE = {"syn_decay": "euler", "syn_gain": "unit", "syn_update": "decay_then_add"}


def dense(
    name: str,
    words: str,
    neurons: Callable[[int, bool], snn.SpikingNeuron],
    read: dict[str, Any],
    factor: float = 2.0,
    **case: Any,
) -> Callable[[], Case]:
    """64 - 32 - 10 with the given neurons; ``neurons(n, is_last)`` makes a layer."""

    def build() -> Case:
        net = nn.Sequential(
            nn.Linear(64, 32), neurons(32, False), nn.Linear(32, 10), neurons(10, True)
        )
        scale_weights(net, factor)
        net.to(case.get("dtype", torch.float32))
        text = f"64 - 32 - 10 dense, {words}"
        return Case(name, net, run, layers, export, CALL, read, text, **case)

    return build


def conv_maxpool() -> Case:
    """The block of the library's tutorial 6: the maximum pool stands in front of the neurons."""
    body = [
        nn.Conv2d(1, 4, 3, padding=1),
        nn.MaxPool2d(2),
        snn.Leaky(beta=0.8, init_hidden=True),
        nn.Conv2d(4, 8, 3, padding=1),
        nn.MaxPool2d(2),
        snn.Leaky(beta=0.8, init_hidden=True),
        nn.Flatten(),
        nn.Linear(32, 10),
        snn.Leaky(beta=0.8, init_hidden=True, output=True),
    ]
    return Case(
        "conv_maxpool",
        scale_weights(nn.Sequential(*body), 2.0),
        run,
        layers,
        export,
        CALL,
        SOFT,
        "conv 1-4, max pool 2, Leaky, conv 4-8, max pool 2, Leaky, flatten, dense 32 - 10",
        image=(1, 8, 8),
    )


def conv(name: str, bias: bool, pooled: bool) -> Callable[[], Case]:
    """Two convolutions with average pooling, or one strided convolution; then dense."""

    def neurons(*shape: int, last: bool = False) -> snn.Leaky:
        return snn.Leaky(
            beta=spread(0.6, 0.9, *shape),
            threshold=torch.ones(shape),
            init_hidden=True,
            output=last,
        )

    def build() -> Case:
        if pooled:
            body = [
                nn.Conv2d(1, 4, 3, padding=1, bias=bias),
                neurons(4, 8, 8),
                nn.AvgPool2d(2),
                nn.Conv2d(4, 8, 3, bias=bias),
                neurons(8, 2, 2),
                nn.Flatten(),
                nn.Linear(32, 16),
                neurons(16),
                nn.Linear(16, 16),
                neurons(16),
                nn.Linear(16, 10),
                neurons(10, last=True),
            ]
            words = (
                "conv 1-4 3x3 pad 1, avg pool 2, conv 4-8 3x3, flatten, dense 32 - 16 - 16 - 10;"
                " more than ten nodes, so that '10' sorts before '2'"
            )
        else:
            body = [
                nn.Conv2d(1, 6, 3, stride=2, padding=1, dilation=1, bias=bias),
                neurons(6, 4, 4),
                nn.Conv2d(6, 6, 3, padding=1, groups=3, bias=bias),
                neurons(6, 4, 4),
                nn.Flatten(),
                nn.Linear(96, 10),
                neurons(10, last=True),
            ]
            words = "conv 1-6 3x3 stride 2 pad 1, conv 6-6 in 3 groups, flatten, dense 96 - 10"
        net = scale_weights(nn.Sequential(*body), 2.0)
        notes = [] if bias else ["conv without bias: the exporter writes a bias of zeros"]
        return Case(
            name,
            net,
            run,
            layers,
            export,
            CALL,
            SOFT,
            words,
            image=(1, 8, 8),
            learning_rate=1e-2,
            notes=notes,
        )

    return build


def rleaky_conv() -> Case:
    """Recurrent convolution, which the exporter does not manage."""
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        snn.RLeaky(beta=0.8, conv2d_channels=4, kernel_size=3, init_hidden=True),
        nn.Flatten(),
        nn.Linear(64, 10),
        leaky()(10, True),
    )
    words = "conv 1-4 stride 2 with a 3x3 convolution as recurrence, flatten, dense 64 - 10"
    return Case(
        "rleaky_conv",
        scale_weights(net, 2.0),
        run,
        layers,
        export,
        CALL,
        SOFT,
        words,
        image=(1, 8, 8),
    )


LOST = ["reset mechanism", "reset delay", "time step (1e-4, nowhere in the file)"]
BUILDERS: dict[str, Callable[[], Case]] = {
    "dense_scalar": dense(
        "dense_scalar",
        "Leaky, scalar beta 0.9, reset by subtraction (all defaults)",
        scalar,
        SOFT,
        variants=("safetensors", "wrapped"),
    ),
    "dense_subtract": dense(
        "dense_subtract",
        "Leaky, learned beta and threshold per neuron, reset by subtraction",
        leaky(learn_beta=True, learn_threshold=True),
        SOFT,
        lost=LOST,
        variants=("legacy",),
        as_written=True,
    ),
    "dense_zero": dense(
        "dense_zero",
        "Leaky, beta per neuron, reset to zero",
        leaky(reset_mechanism="zero"),
        HARD,
        lost=LOST,
        code="rate",
        n_ticks=12,
    ),
    "dense_none": dense(
        "dense_none",
        "Leaky, beta per neuron, no reset",
        leaky(reset_mechanism="none"),
        reading("none", None),
        lost=LOST,
    ),
    "dense_over_one": dense(
        "dense_over_one",
        "Leaky, some betas 1 and above 1 (clamped to 1 at run time)",
        leaky_over_one,
        SOFT,
        lost=LOST,
        notes=[
            "beta 1 is written as tau = r = inf, beta 1.07 as negative tau and r; both mean"
            " a decay of 1 and a gain of 1"
        ],
    ),
    "dense_no_delay_zero": dense(
        "dense_no_delay_zero",
        "Leaky, reset_delay=False, reset to zero",
        leaky(reset_mechanism="zero", reset_delay=False),
        HARD,
        lost=LOST,
    ),
    "dense_no_delay_subtract": dense(
        "dense_no_delay_subtract",
        "Leaky, reset_delay=False, reset by subtraction",
        leaky(reset_delay=False),
        reading("soft", "snntorch_no_delay"),
        lost=LOST,
        notes=[
            "a neuron whose U stays above the threshold after the subtraction does not fire"
            " again in the same way: r = (V > thr) before the step, U = b V + x - thr r,"
            " s = (U > thr), V = U - thr (s - r)"
        ],
    ),
    "dense_graded": dense(
        "dense_graded",
        "Leaky, hidden spikes multiplied by graded_spikes_factor 0.75",
        graded,
        SOFT | {"layers": {"1": {"output_factor": 0.75}}},
        lost=[*LOST, "graded_spikes_factor"],
        notes=[
            "hidden outputs are 0 or 0.75; the file does not say so: the hidden layer's outgoing"
            " weights have to be multiplied by 0.75"
        ],
    ),
    "dense_float64": dense(
        "dense_float64",
        "Leaky, beta per neuron, all float64",
        leaky(spike_grad=Step.apply),
        SOFT,
        lost=LOST,
        dtype=torch.float64,
    ),
    "conv_avgpool": conv("conv_avgpool", bias=True, pooled=True),
    "conv_groups": conv("conv_groups", bias=False, pooled=False),
    "conv_maxpool": conv_maxpool,
    "synaptic_subtract": dense(
        "synaptic_subtract",
        "Synaptic, reset by subtraction",
        synaptic(),
        SOFT | SYNAPSE,
        factor=1.0,
        lost=LOST,
    ),
    "synaptic_zero": dense(
        "synaptic_zero",
        "Synaptic, reset to zero",
        synaptic(reset_mechanism="zero"),
        DROP | SYNAPSE,
        factor=1.0,
        lost=LOST,
        notes=[
            "the synaptic state keeps the input of the step after a spike, the membrane does not"
        ],
    ),
    "synaptic_no_delay_subtract": dense(
        "synaptic_no_delay_subtract",
        "Synaptic, reset_delay=False, reset by subtraction",
        synaptic(reset_delay=False),
        reading("soft", "snntorch_no_delay") | SYNAPSE,
        factor=1.0,
        lost=LOST,
    ),
    "mixed_zero": dense(
        "mixed_zero",
        "hidden Synaptic, Leaky output, both reset to zero",
        mixed(reset_mechanism="zero"),
        DROP | SYNAPSE | {"layers": {"3": {"reset_timing": "same_step"}}},
        factor=1.5,
        lost=LOST,
        notes=["Synaptic loses the input of the step after a spike, the Leaky output does not"],
    ),
    "rleaky_no_delay_subtract": dense(
        "rleaky_no_delay_subtract",
        "hidden RLeaky all to all, reset_delay=False, reset by subtraction",
        rleaky(reset_delay=False),
        reading("soft", "snntorch_no_delay"),
        lost=LOST,
    ),
    "rleaky_subtract": dense(
        "rleaky_subtract",
        "hidden RLeaky all to all, reset by subtraction",
        rleaky(),
        SOFT,
        lost=LOST,
        code="rate",
        n_ticks=12,
        variants=("optimizer",),
        as_written=True,
    ),
    "rleaky_zero": dense(
        "rleaky_zero",
        "hidden RLeaky all to all, reset to zero",
        rleaky(reset_mechanism="zero"),
        DROP | {"layers": {"3": {"reset_timing": "same_step"}}},
        lost=LOST,
        code="rate",
        n_ticks=12,
        notes=["RLeaky loses the input of the step after a spike, the Leaky output layer does not"],
    ),
    "rleaky_diagonal": dense(
        "rleaky_diagonal",
        "hidden RLeaky one to one (V per neuron)",
        rleaky_diagonal,
        SOFT,
        lost=LOST,
    ),
    "rleaky_conv": rleaky_conv,
    "rsynaptic_subtract": dense(
        "rsynaptic_subtract",
        "hidden RSynaptic all to all, reset by subtraction",
        rsynaptic(),
        SOFT | SYNAPSE,
        factor=1.0,
        lost=LOST,
    ),
    "rsynaptic_zero": dense(
        "rsynaptic_zero",
        "hidden RSynaptic all to all, reset to zero",
        rsynaptic(reset_mechanism="zero"),
        DROP
        | SYNAPSE
        | {"layers": {"3": {"reset": "soft", "reset_timing": "next_step_after_leak"}}},
        factor=1.0,
        lost=LOST,
    ),
}


if __name__ == "__main__":
    write_cases(BUILDERS, Path(sys.argv[1]), "snntorch", sys.argv[2:])
