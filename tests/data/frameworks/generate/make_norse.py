"""Train, record and export small Norse networks: ``python make_norse.py OUTPUT [NAME ...]``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import norse.torch as norse
import torch
from common import Case, number_or_list, scale_weights, structural, watch, write_cases
from norse.torch.functional.iaf import IAFParameters
from norse.torch.functional.leaky_integrator_box import LIBoxParameters
from norse.torch.functional.reset import reset_subtract
from norse.torch.module.iaf import IAFCell
from norse.torch.module.leaky_integrator_box import LIBoxCell
from torch import nn

CALL = "norse.torch.to_nir(net, sample)"
DT = 1e-3
CELLS = (norse.LIFBoxCell, norse.LIFCell, norse.LIFRecurrentCell, IAFCell, LIBoxCell)


def run(net: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Run tick by tick, the state handed from tick to tick."""
    names = [name for name, part in net.named_children() if isinstance(part, CELLS)]

    def forward() -> None:
        state = None
        for tick in range(x.shape[1]):
            _, state = net(x[:, tick], state)

    return {name: torch.stack(values, 1) for name, values in watch(net, names, forward).items()}


def describe_neuron(name: str, cell: nn.Module) -> dict[str, Any]:
    """Equation of one Norse cell; the parameters are in no file but this."""
    p = cell.p
    found: dict[str, Any] = {
        "name": name,
        "kind": "neuron",
        "class": f"norse.torch.{type(cell).__name__}",
        "constant": 0.0,
        "compare": ">",
        "reset": "hard",
        "reset_timing": "same_step",
        "max_spikes": 1,
    }
    if isinstance(cell, IAFCell):
        reset = number_or_list(p.v_reset)
        return found | {
            "decay": 1.0,
            "gain": 1.0,
            "threshold": number_or_list(p.v_th),
            "reset_value": reset,
            "v_start": reset,
        }
    rate = cell.dt * p.tau_mem_inv
    found |= {
        "dt": cell.dt,
        "tau_mem_inv": number_or_list(p.tau_mem_inv),
        "decay": number_or_list(1 - rate),
        "gain": number_or_list(rate),
        "constant": number_or_list(rate * p.v_leak),
        "v_start": number_or_list(p.v_leak),
    }
    if isinstance(cell, LIBoxCell):
        return found | {"reset": "none", "reset_timing": None, "output": "membrane"}
    found |= {"threshold": number_or_list(p.v_th), "reset_value": number_or_list(p.v_reset)}
    if getattr(p, "reset_method", None) is reset_subtract:
        found |= {"reset": "soft"}
    if isinstance(cell, norse.LIFCell | norse.LIFRecurrentCell):
        found |= {
            "syn_decay": number_or_list(1 - cell.dt * p.tau_syn_inv),
            "syn_update": "add_use_decay",
        }
    if isinstance(cell, norse.LIFRecurrentCell):
        found["recurrent"] = {"weight": f"{name}.recurrent_weights"}
        found["input"] = {"weight": f"{name}.input_weights"}
    return found


def layers(net: nn.Module) -> list[dict[str, Any]]:
    """Describe all layers of a sequence."""
    return [
        structural(name, part) or describe_neuron(name, part) for name, part in net.named_children()
    ]


def export(net: nn.Module, sample: torch.Tensor) -> nir.NIRGraph:
    """Export as the documentation does."""
    return norse.to_nir(net, sample[:1])


def export_inferred(net: nn.Module, sample: torch.Tensor) -> nir.NIRGraph:
    """Export one sample without batch axis and let nir infer the shapes convolutions need."""
    graph = norse.to_nir(net, sample[0])
    graph.infer_types()
    return graph


def export_seconds(net: nn.Module, sample: torch.Tensor) -> nir.NIRGraph:
    """Export with tau in seconds, as versions after 1.1.0 do (dt=1 cancels the wrong factor)."""
    return norse.to_nir(net, sample[:1], dt=1.0)


def reading(**more: Any) -> dict[str, Any]:
    """Reading of Norse 1.1.0's NIR files."""
    return {
        "dt": DT,
        "tau_factor": 1e3,
        "decay": "euler",
        "gain": "file",
        "reset": "hard",
        "reset_timing": "same_step",
        "compare": ">",
        "v_start": "v_leak",
        "max_spikes": 1,
    } | more


SYNAPSE = {"syn_decay": "euler", "syn_gain": "unit", "syn_update": "add_use_decay"}
LOST = ["v_reset", "reset method", "tau is 1000 times too small (dt / tau_inv instead of 1 / ...)"]


def t(*values: float) -> torch.Tensor:
    """One value for all neurons, or values spread evenly between two over ``n`` neurons."""
    if len(values) == 1:
        return torch.tensor(values[0])
    low, high, n = values
    return torch.linspace(low, high, int(n))


def dense(
    name: str,
    words: str,
    cell: Callable[[int, bool], nn.Module],
    read: dict[str, Any],
    factor: float = 4.0,
    **case: Any,
) -> Callable[[], Case]:
    """64 - 32 - 10; ``cell(n, is_last)`` makes a neuron layer."""

    def build() -> Case:
        net = norse.SequentialState(
            nn.Linear(64, 32), cell(32, False), nn.Linear(32, 10), cell(10, True)
        )
        scale_weights(net, factor).to(case.get("dtype", torch.float32))
        text = f"64 - 32 - 10 dense, {words}"
        options = {"n_ticks": 12, "learning_rate": 1e-2, "lost": LOST} | case
        return Case(name, net, run, layers, export, CALL, read, text, **options)

    return build


def box(n: int, _last: bool, **options: Any) -> nn.Module:
    """LIFBox, all defaults unless given."""
    return norse.LIFBoxCell(norse.LIFBoxParameters(**options))


def box_single(_n: int, _last: bool, **options: Any) -> nn.Module:
    """LIFBox with parameters of shape (1,), the nearest to the defaults that can be exported."""
    return norse.LIFBoxCell(
        norse.LIFBoxParameters(
            tau_mem_inv=torch.tensor([100.0]),
            v_leak=torch.zeros(1),
            v_th=torch.ones(1),
            v_reset=torch.zeros(1),
            **options,
        )
    )


def current_single(_n: int, _last: bool) -> nn.Module:
    """LIF with synaptic current, defaults as parameters of shape (1,)."""
    return norse.LIFCell(
        norse.LIFParameters(
            tau_syn_inv=torch.tensor([200.0]),
            tau_mem_inv=torch.tensor([100.0]),
            v_leak=torch.zeros(1),
            v_th=torch.ones(1),
            v_reset=torch.zeros(1),
        )
    )


def box_vector(n: int, _last: bool) -> nn.Module:
    """LIFBox with its own parameters in every neuron, leak and reset away from zero."""
    return norse.LIFBoxCell(
        norse.LIFBoxParameters(
            tau_mem_inv=t(120.0, 400.0, n),
            v_leak=t(-0.1, 0.1, n),
            v_th=t(0.8, 1.1, n),
            v_reset=torch.full((n,), -0.2),
        )
    )


def box_float64(n: int, _last: bool) -> nn.Module:
    """LIFBox with float64 parameters."""
    return norse.LIFBoxCell(
        norse.LIFBoxParameters(
            tau_mem_inv=t(120.0, 400.0, n).double(),
            v_leak=torch.zeros(n).double(),
            v_th=torch.ones(n).double(),
            v_reset=torch.zeros(n).double(),
        )
    )


def current(_n: int, _last: bool) -> nn.Module:
    """LIF with synaptic current, all defaults."""
    return norse.LIFCell()


def current_vector(n: int, _last: bool) -> nn.Module:
    """LIF with synaptic current, own parameters in every neuron."""
    return norse.LIFCell(
        norse.LIFParameters(
            tau_syn_inv=t(300.0, 600.0, n),
            tau_mem_inv=t(100.0, 300.0, n),
            v_leak=torch.zeros(n),
            v_th=t(0.9, 1.1, n),
            v_reset=torch.zeros(n),
        )
    )


def iaf(n: int, _last: bool) -> nn.Module:
    """Integrate and fire without leak."""
    return IAFCell(IAFParameters(v_th=torch.ones(n), v_reset=torch.zeros(n)))


def readout(n: int, last: bool) -> nn.Module:
    """LIFBox hidden layer, leaky integrator as output."""
    if not last:
        return box_vector(n, last)
    return LIBoxCell(LIBoxParameters(tau_mem_inv=t(150.0, 300.0, n), v_leak=torch.zeros(n)))


def recurrent() -> Case:
    """Recurrent cell, which owns its input weights; the exporter maps it to nothing."""
    net = norse.SequentialState(norse.LIFRecurrentCell(64, 24), nn.Linear(24, 10), norse.LIFCell())
    with torch.no_grad():
        net[0].input_weights *= 8
        net[1].weight *= 3
    words = "64 - 24 LIFRecurrentCell - 10 LIFCell, all defaults"
    return Case(
        "recurrent",
        net,
        run,
        layers,
        export,
        CALL,
        reading(**SYNAPSE),
        words,
        n_ticks=12,
        learning_rate=1e-2,
        lost=LOST,
    )


def conv_flatten() -> Case:
    """Convolution and Flatten: the exporter turns Flatten into nothing."""
    net = norse.SequentialState(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        box(0, False),
        nn.Flatten(),
        nn.Linear(64, 10),
        box(0, True),
    )
    words = "conv 1-4 3x3 stride 2, flatten, dense 64 - 10, LIFBox with default parameters"
    return Case(
        "conv_flatten",
        scale_weights(net, 4.0),
        run,
        layers,
        export,
        CALL,
        reading(),
        words,
        image=(1, 8, 8),
        n_ticks=12,
        learning_rate=2e-2,
        lost=LOST,
    )


def conv_only() -> Case:
    """Convolutions to the end, the only image network that can be exported whole."""

    def cell(*shape: int) -> nn.Module:
        return norse.LIFBoxCell(
            norse.LIFBoxParameters(
                tau_mem_inv=torch.full(shape, 300.0),
                v_leak=torch.zeros(shape),
                v_th=torch.ones(shape),
                v_reset=torch.zeros(shape),
            )
        )

    net = norse.SequentialState(
        nn.Conv2d(1, 6, 3, stride=2, padding=1),
        cell(6, 4, 4),
        nn.Conv2d(6, 10, 4),
        cell(10, 1, 1),
    )
    words = "conv 1-6 3x3 stride 2, conv 6-10 4x4 to 10 x 1 x 1, LIFBox, tau 3.3 ms"
    call = "norse.torch.to_nir(net, sample_without_batch), then graph.infer_types()"
    return Case(
        "conv_only",
        scale_weights(net, 4.0),
        run,
        layers,
        export_inferred,
        call,
        reading(),
        words,
        image=(1, 8, 8),
        n_ticks=12,
        learning_rate=2e-2,
        lost=LOST,
    )


BUILDERS: dict[str, Callable[[], Case]] = {
    "lifbox_default": dense(
        "lifbox_default",
        "LIFBox, all defaults (tau 10 ms, dt 1 ms), scalar parameters",
        box,
        reading(),
        factor=6.0,
        variants=("safetensors",),
    ),
    "lifbox_single": dense(
        "lifbox_single",
        "LIFBox, tau 10 ms, parameters of shape (1,)",
        box_single,
        reading(),
        factor=6.0,
    ),
    "lif_single": dense(
        "lif_single",
        "LIFCell (current-based), tau_syn 5 ms, tau_mem 10 ms, shape (1,)",
        current_single,
        reading(**SYNAPSE),
        factor=3.0,
    ),
    "lifbox_vector": dense(
        "lifbox_vector",
        "LIFBox, own tau, leak, threshold and reset in every neuron",
        box_vector,
        reading(reset_value=-0.2),
        more_exports={"_seconds": export_seconds},
        as_written=True,
        notes=[
            "lifbox_vector_seconds.nir is the same network with tau in seconds, as Norse after"
            " 1.1.0 writes it: read it with tau_factor 1",
            "v_reset is not 0 and not in the file",
        ],
    ),
    "lifbox_subtract": dense(
        "lifbox_subtract",
        "LIFBox, tau 10 ms, reset by subtraction",
        lambda n, last: box_single(n, last, reset_method=reset_subtract),
        reading(reset="soft"),
        factor=6.0,
        code="rate",
    ),
    "lifbox_float64": dense(
        "lifbox_float64",
        "LIFBox, own tau in every neuron, all float64",
        box_float64,
        reading(),
        dtype=torch.float64,
    ),
    "lif_default": dense(
        "lif_default",
        "LIFCell (current-based), all defaults (tau_syn 5 ms, tau_mem 10 ms)",
        current,
        reading(**SYNAPSE),
        factor=3.0,
        variants=("wrapped",),
    ),
    "lif_vector": dense(
        "lif_vector",
        "LIFCell (current-based), own parameters in every neuron",
        current_vector,
        reading(**SYNAPSE),
        factor=3.0,
        code="rate",
    ),
    "iaf": dense("iaf", "IAFCell", iaf, reading(decay="none", gain="unit"), factor=1.5),
    "li_readout": dense(
        "li_readout",
        "LIFBox hidden layer, LIBoxCell output (membrane values)",
        readout,
        reading(reset_value=-0.2),
        learning_rate=5e-3,
    ),
    "recurrent": recurrent,
    "conv_flatten": conv_flatten,
    "conv_only": conv_only,
}


if __name__ == "__main__":
    write_cases(BUILDERS, Path(sys.argv[1]), "norse", sys.argv[2:])
