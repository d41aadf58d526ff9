"""Train, record and export small SpikingJelly networks.

``python make_spikingjelly.py OUTPUT [NAME ...]``
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nir
import torch
from common import Case, scale_weights, structural, watch, write_cases
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from spikingjelly.activation_based.nir_exchange import export_to_nir
from torch import nn

CALL = "spikingjelly.activation_based.nir_exchange.export_to_nir(net, sample)"


class Residual(nn.Module):
    """Three dense layers; the second is bypassed by an addition of spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(64, 24), neuron.LIFNode(decay_input=False)
        self.fc2, self.lif2 = nn.Linear(24, 24), neuron.LIFNode(decay_input=False)
        self.fc3, self.lif3 = nn.Linear(24, 10), neuron.LIFNode(decay_input=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output spikes of one tick."""
        first = self.lif1(self.fc1(x))
        return self.lif3(self.fc3(first + self.lif2(self.fc2(first))))


def neuron_names(net: nn.Module) -> list[str]:
    """Names of the neuron layers in order."""
    return [name for name, part in net.named_modules() if isinstance(part, neuron.BaseNode)]


def run(net: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Run tick by tick (single-step mode)."""
    functional.reset_net(net)
    seen = watch(net, neuron_names(net), lambda: [net(x[:, tick]) for tick in range(x.shape[1])])
    return {name: torch.stack(values, dim=1) for name, values in seen.items()}


def run_multi(net: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Run all ticks at once (multi-step mode, time axis first)."""
    functional.reset_net(net)
    seen = watch(net, neuron_names(net), lambda: net(x.transpose(0, 1)))
    return {name: values[0].transpose(0, 1) for name, values in seen.items()}


def describe_neuron(name: str, node: neuron.BaseNode) -> dict[str, Any]:
    """Equation of one SpikingJelly layer."""
    v_reset = node.v_reset
    found: dict[str, Any] = {
        "name": name,
        "kind": "neuron",
        "class": f"spikingjelly.activation_based.neuron.{type(node).__name__}",
        "gain": 1.0,
        "constant": 0.0,
        "threshold": node.v_threshold,
        "compare": ">=",
        "reset": "soft" if v_reset is None else "hard",
        "reset_timing": "same_step",
        "reset_value": v_reset,
        "v_start": v_reset or 0.0,
        "max_spikes": 1,
    }
    if isinstance(node, neuron.CUBALIFNode):
        return found | {
            "decay": node.v_decay,
            "syn_decay": node.c_decay,
            "syn_update": "decay_then_add",
        }
    if isinstance(node, neuron.IFNode):
        return found | {"decay": 1.0}
    found["decay_input"] = node.decay_input
    if isinstance(node, neuron.ParametricLIFNode):
        found |= {"decay": {"key": f"{name}.w", "form": "1-sigmoid(x)"}}
        gain: Any = {"key": f"{name}.w", "form": "sigmoid(x)"}
    else:
        found |= {"decay": 1 - 1 / node.tau, "constant": (v_reset or 0.0) / node.tau}
        gain = 1 / node.tau
    if node.decay_input:
        found["gain"] = gain
    if isinstance(node, neuron.LIAFNode):
        shift = "U - threshold" if node.threshold_related else "U"
        found["output"] = {"activation": node.act.__name__, "of": shift}
    return found


def layers(net: nn.Module) -> list[dict[str, Any]]:
    """Describe all layers in order; an addition names the layers it adds."""
    found: list[dict[str, Any]] = []
    for name, part in net.named_modules():
        known = structural(name, part)
        if isinstance(part, layer.LinearRecurrentContainer):
            found.append(
                {
                    "name": name,
                    "kind": "recurrent_linear",
                    "keys": {"weight": f"{name}.rc.weight", "bias": f"{name}.rc.bias"},
                    "note": "input of the neuron = weight [x(t); s(t-1)] + bias, s(-1) = 0",
                }
            )
        elif name.endswith(".rc"):
            continue
        elif known is not None:
            found.append(known)
        elif isinstance(part, neuron.BaseNode):
            found.append(describe_neuron(name, part))
    if isinstance(net, Residual):
        found.insert(4, {"name": "add", "kind": "add", "inputs": ["lif1", "lif2"]})
    return found


def export(net: nn.Module, sample: torch.Tensor) -> nir.NIRGraph:
    """Export with one tick of one sample."""
    functional.reset_net(net)
    return export_to_nir(net, sample[:1])


def export_multi(net: nn.Module, sample: torch.Tensor) -> nir.NIRGraph:
    """Export a multi-step network with all ticks of one sample, (ticks, 1, *shape)."""
    functional.reset_net(net)
    return export_to_nir(net, sample[:, None])


def export_millisecond(net: nn.Module, sample: torch.Tensor) -> nir.NIRGraph:
    """Export with another time step, which changes tau and nothing else."""
    functional.reset_net(net)
    return export_to_nir(net, sample[:1], dt=1e-3)


def reading(**more: Any) -> dict[str, Any]:
    """Reading of SpikingJelly's NIR files: by the letter, but with >=."""
    return {
        "dt": 1e-4,
        "decay": "euler",
        "gain": "file",
        "reset": "hard",
        "reset_timing": "same_step",
        "compare": ">=",
        "v_start": "v_reset",
        "max_spikes": 1,
    } | more


def dense(
    name: str,
    words: str,
    node: Callable[[], neuron.BaseNode],
    factor: float = 2.0,
    read: Mapping[str, Any] | None = None,
    **case: Any,
) -> Callable[[], Case]:
    """64 - 32 - 10 with the given neurons."""

    def build() -> Case:
        net = nn.Sequential(nn.Linear(64, 32), node(), nn.Linear(32, 10), node())
        scale_weights(net, factor).to(case.get("dtype", torch.float32))
        text = f"64 - 32 - 10 dense, {words}"
        return Case(name, net, run, layers, export, CALL, read or reading(), text, **case)

    return build


def image(
    name: str,
    words: str,
    body: Callable[[], list[nn.Module]],
    multi: bool = False,
    shape: tuple[int, ...] = (1, 8, 8),
    **case: Any,
) -> Callable[[], Case]:
    """A sequence on images of the given shape; ``multi`` sets multi-step mode throughout."""

    def build() -> Case:
        net = scale_weights(nn.Sequential(*body()), 2.0)
        if multi:
            functional.set_step_mode(net, "m")
        kind, exporter = (run_multi, export_multi) if multi else (run, export)
        return Case(name, net, kind, layers, exporter, CALL, reading(), words, image=shape, **case)

    return build


def residual() -> Case:
    """Addition of two spike trains before a dense layer."""
    words = "dense 64 - 24 - 24 - 10, spikes of the first two layers added"
    return Case(
        "lif_residual",
        scale_weights(Residual(), 2.0),
        run,
        layers,
        export,
        CALL,
        reading(),
        words,
        notes=["an added spike train holds 0, 1 and 2"],
    )


def recurrent() -> Case:
    """Recurrence through the library's container, which no exporter knows."""
    inner = neuron.LIFNode(tau=2.0, decay_input=False)
    net = nn.Sequential(
        nn.Linear(64, 24),
        layer.LinearRecurrentContainer(inner, 24, 24, bias=True),
        nn.Linear(24, 10),
        neuron.LIFNode(tau=2.0, decay_input=False),
    )
    words = "dense 64 - 24 recurrent (LinearRecurrentContainer) - 10"
    return Case(
        "lif_recurrent",
        scale_weights(net, 1.5),
        run,
        layers,
        export,
        CALL,
        reading(),
        words,
        code="rate",
        n_ticks=12,
    )


def lif(**options: Any) -> Callable[[], neuron.BaseNode]:
    """LIF nodes with the given options."""
    return lambda: neuron.LIFNode(**options)


def cuba(**options: Any) -> Callable[[], neuron.BaseNode]:
    """CUBALIF nodes; the library's default surrogate is too narrow to train this net."""
    return lambda: neuron.CUBALIFNode(**options, surrogate_function=surrogate.ATan())


def conv_pool() -> list[nn.Module]:
    """Convolutions with average pooling, built from plain torch layers."""
    return [
        nn.Conv2d(1, 4, 3, padding=1),
        neuron.LIFNode(),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1),
        neuron.LIFNode(),
        nn.AvgPool2d(2, 2),
        nn.Flatten(),
        nn.Linear(32, 10),
        neuron.LIFNode(),
    ]


def conv_multi() -> list[nn.Module]:
    """Strided and dilated convolutions, built from the library's layers."""
    return [
        layer.Conv2d(1, 4, 3, stride=2, padding=1, bias=False),
        neuron.IFNode(),
        layer.Conv2d(4, 8, 2, dilation=2),
        neuron.IFNode(),
        layer.Flatten(),
        layer.Linear(32, 10, bias=False),
        neuron.IFNode(),
    ]


def conv_norm() -> list[nn.Module]:
    """Convolution, batch normalisation, LIF, max pooling: the block of the library's tutorials."""
    return [
        layer.Conv2d(1, 6, 3, padding=1, bias=False),
        layer.BatchNorm2d(6),
        neuron.LIFNode(),
        layer.MaxPool2d(2, 2),
        layer.Flatten(),
        layer.Linear(96, 10),
        neuron.LIFNode(),
    ]


def conv_maxpool() -> list[nn.Module]:
    """Convolution, batch normalisation, max pooling with a padded border, LIF."""
    return [
        layer.Conv2d(1, 6, 3, padding=1, bias=False),
        layer.BatchNorm2d(6),
        layer.MaxPool2d(3, 2, 1),
        neuron.LIFNode(),
        layer.Flatten(),
        layer.Linear(96, 10),
        neuron.LIFNode(),
    ]


def conv_1d() -> list[nn.Module]:
    """One-dimensional convolution over the image's columns."""
    return [
        nn.Conv1d(8, 8, 3, padding=1),
        neuron.LIFNode(decay_input=False),
        nn.Flatten(),
        nn.Linear(64, 10),
        neuron.LIFNode(decay_input=False),
    ]


def grouped() -> list[nn.Module]:
    """Depthwise convolution, which the exporter refuses."""
    return [
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        neuron.LIFNode(),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        neuron.LIFNode(),
        nn.Flatten(),
        nn.Linear(64, 10),
        neuron.LIFNode(),
    ]


def liaf_relu() -> Case:
    """LIAF hidden layer in threshold-related mode, LIF output."""
    node = neuron.LIAFNode(nn.functional.relu, True, decay_input=False, v_threshold=0.3)
    net = nn.Sequential(
        nn.Linear(64, 32), node, nn.Linear(32, 10), neuron.LIFNode(decay_input=False)
    )
    words = "64 - 32 LIAF relu(U - threshold), threshold 0.3, tau 2 - 10 LIF, hard reset"
    return Case(
        "liaf_relu", scale_weights(net, 2.0), run, layers, export, CALL, reading(), words, **LIAF
    )


def liaf_conv() -> list[nn.Module]:
    """LIAF with SELU of U itself, average pooling."""

    def node() -> neuron.BaseNode:
        return neuron.LIAFNode(nn.functional.selu, False, tau=2.0, decay_input=False)

    return [
        nn.Conv2d(1, 4, 3, padding=1),
        node(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
        node(),
    ]


SYNAPSE = {"syn_decay": "euler", "syn_gain": "file", "syn_update": "decay_then_add"}
LIAF: Mapping[str, Any] = {"lost": ["the node has no NIR type"]}
BUILDERS: dict[str, Callable[[], Case]] = {
    "lif_default": dense(
        "lif_default",
        "LIF, all defaults: tau 2, decay_input, hard reset to 0",
        lif(),
        factor=4.0,
        variants=("safetensors", "module"),
        as_written=True,
    ),
    "lif_no_decay_input": dense(
        "lif_no_decay_input",
        "LIF, decay_input=False, tau 1.7, hard reset to -0.3",
        lif(tau=1.7, decay_input=False, v_reset=-0.3, v_threshold=0.9),
        code="rate",
        n_ticks=12,
        more_exports={"_dt_1ms": export_millisecond},
        notes=[
            "lif_no_decay_input_dt_1ms.nir is the same network exported with dt=1e-3:"
            " read it with dt 1e-3"
        ],
    ),
    "lif_decay_input_reset": dense(
        "lif_decay_input_reset",
        "LIF, decay_input=True, tau 3, hard reset to 0.2",
        lif(tau=3.0, v_reset=0.2),
        factor=5.0,
    ),
    "lif_soft": dense(
        "lif_soft",
        "LIF, soft reset, decay_input=False",
        lif(v_reset=None, decay_input=False),
    ),
    "lif_float64": dense(
        "lif_float64",
        "LIF, decay_input=False, all float64",
        lif(decay_input=False),
        dtype=torch.float64,
    ),
    "plif": dense(
        "plif",
        "ParametricLIF, learned tau, decay_input",
        lambda: neuron.ParametricLIFNode(init_tau=2.0),
        factor=4.0,
        variants=("wrapped",),
    ),
    "plif_no_decay_input": dense(
        "plif_no_decay_input",
        "ParametricLIF, learned tau, decay_input=False",
        lambda: neuron.ParametricLIFNode(init_tau=3.0, decay_input=False),
    ),
    "if_hard": dense("if_hard", "IF, hard reset", neuron.IFNode, code="rate", n_ticks=12),
    "if_soft": dense("if_soft", "IF, soft reset", lambda: neuron.IFNode(v_reset=None)),
    "cuba": dense(
        "cuba",
        "CUBALIF, c_decay 0.5, v_decay 0.75, threshold 0.5 (defaults)",
        cuba(),
        factor=1.0,
        read=reading(**SYNAPSE),
    ),
    "cuba_reset": dense(
        "cuba_reset",
        "CUBALIF, c_decay 0.3, v_decay 0.6, threshold 0.8, hard reset to -0.1",
        cuba(c_decay=0.3, v_decay=0.6, v_threshold=0.8, v_reset=-0.1),
        factor=1.0,
        read=reading(**SYNAPSE),
    ),
    "conv_avgpool": image(
        "conv_avgpool",
        "conv 1-4, avg pool 2, conv 4-8, avg pool 2, flatten, dense 32 - 10, LIF",
        conv_pool,
        learning_rate=1e-2,
        n_epochs=16,
    ),
    "conv_multi_step": image(
        "conv_multi_step",
        "multi-step mode: conv 1-4 stride 2, conv 4-8 2x2 dilation 2, flatten,"
        " dense 32 - 10, IF, no bias but in the second",
        conv_multi,
        multi=True,
    ),
    "conv_1d": image(
        "conv_1d",
        "conv1d 8-8 over 8 columns, flatten, dense 64 - 10, LIF",
        conv_1d,
        shape=(8, 8),
    ),
    "conv_groups": image(
        "conv_groups",
        "conv 1-4 stride 2, depthwise conv, flatten, dense, LIF",
        grouped,
        learning_rate=1e-2,
    ),
    "conv_norm_maxpool": image(
        "conv_norm_maxpool",
        "multi-step mode: conv, batch norm, LIF, max pool, flatten, dense",
        conv_norm,
        multi=True,
    ),
    "conv_maxpool_lif": image(
        "conv_maxpool_lif",
        "multi-step mode: conv, batch norm, max pool 3 stride 2 pad 1, LIF, flatten, dense",
        conv_maxpool,
        multi=True,
    ),
    "lif_residual": residual,
    "lif_recurrent": recurrent,
    "liaf_relu": liaf_relu,
    "liaf_sigmoid_soft": dense(
        "liaf_sigmoid_soft",
        "LIAF, sigmoid(U), decay_input, soft reset",
        lambda: neuron.LIAFNode(torch.sigmoid, False, v_reset=None),
        factor=1.0,
        **LIAF,
    ),
    "liaf_conv_selu": image(
        "liaf_conv_selu",
        "conv 1-4, avg pool 2, flatten, dense 64 - 10, LIAF with selu(U)",
        liaf_conv,
        **LIAF,
    ),
}


if __name__ == "__main__":
    write_cases(BUILDERS, Path(sys.argv[1]), "spikingjelly", sys.argv[2:])
