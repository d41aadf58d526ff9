"""`quantize`: the order of the steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, cast

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim.run.encoding import InputCode
from neurosim_mapper.fold import FoldedLayer, FoldedNetwork, fold
from neurosim_mapper.maxima import expand_maxima
from neurosim_mapper.network import Network
from neurosim_mapper.norms import freeze_layer_norms, refuse_layer_norms
from neurosim_mapper.products import lower
from neurosim_mapper.quantized import INPUT, QuantizedLayer, QuantizedNetwork
from neurosim_mapper.quantizer.activation import (
    OutputCode,
    integer_code,
    scaled_code,
    spike_code,
)
from neurosim_mapper.quantizer.calibration import LayerStatistics, collect, stand_in
from neurosim_mapper.quantizer.figures import with_figures
from neurosim_mapper.quantizer.given import GivenScales, given_scales
from neurosim_mapper.quantizer.inputs import choose_input_code
from neurosim_mapper.quantizer.layers import build_layer, has_integers
from neurosim_mapper.quantizer.maxima import (
    counts_steps,
    holds_maxima,
    part_code,
    part_scale,
    refuse_values_of_spikes,
    with_shut_neurons,
)
from neurosim_mapper.quantizer.options import (
    InputKind,
    QuantizeOptions,
    RangeMethod,
    check_options,
)
from neurosim_mapper.quantizer.ranges import current_bounds, parameters_of, potential_bounds
from neurosim_mapper.quantizer.trials import PLAIN, Trial, best_trial

MANY_SPIKES: Final = 255  # per tick: neurons with a higher limit get one, for sums to fit
FEW_SPIKES: Final = 8
SPIKE_HEADROOM: Final = 4  # over the most spikes that the calibration data cause


def quantize(
    network: Network,
    chip: Chip,
    calibration: npt.ArrayLike | None = None,
    *,
    weight_bits: int | None = None,
    per_channel: bool = True,
    activation_range: RangeMethod = "minmax",
    percentile: float = 99.9,
    input_kind: InputKind = "auto",
    weight_shift: int | None = None,
) -> QuantizedNetwork:
    """Integers for a float network, as a chip holds them.

    Recurrent layers and products become layers of neurons without memory first, see
    `neurosim_mapper.recurrent` and `neurosim_mapper.products`; LayerNorms are frozen by the
    calibration, see `neurosim_mapper.norms`.

    A network whose weights, biases and potentials are integers within the chip's weight bits, and
    whose decay is exact in its fixed point, is kept as it is: every unit is 1. A network that was
    trained for the integers of this chip brings its units along (see `quantizer.given`); they are
    used, so that the integers are those of the training, unless `weight_bits`, `weight_shift` or
    `input_kind` ask for others.

    Parameters
    ----------
    network : the float network.
    chip : for its widths, shifts and packet kinds.
    calibration : (samples, ticks, *input shape) typical inputs, by default those that came with
        the network. They set the input code, the ranges of analog outputs and the figures of the
        report. Without any, ranges are those of random inputs, doubled.
    weight_bits : bits of a weight, those of the chip if None.
    per_channel : a weight unit per output channel (per neuron of a dense layer); else per layer.
    activation_range : range of analog outputs from the calibration: ``minmax``, ``percentile``
        (`percentile` of the values lie inside), or ``mse`` (least mean squared error).
    input_kind : ``spike`` or ``analog`` packets; ``auto`` looks at the calibration, or without it
        at the kind of the neurons.
    weight_shift : fractional bits of the potential for all layers; chosen per layer if None.

    Raises
    ------
    UsageError
        For options that this chip does not offer, or a range that nothing determines.
    DoesNotFitError
        For a soma model, decay or kind of packet that this chip does not have.
    UnsupportedError
        For a node that cannot be expressed in integers, or a LayerNorm without calibration data.
    InputFileError
        For calibration data that does not fit the network.
    """
    bits = chip.core.weight_bits if weight_bits is None else weight_bits
    options = QuantizeOptions(
        bits, per_channel, activation_range, percentile, input_kind, weight_shift
    )
    check_options(options, chip)
    calibration = network.calibration if calibration is None else calibration
    if calibration is None:
        refuse_layer_norms(network)
    network = freeze_layer_norms(network, calibration)
    lowered = lower(network, calibration)
    fine, network = lowered is not network, expand_maxima(lowered, calibration)
    folded = fold(network)
    statistics = {} if calibration is None else collect(network, folded, calibration)
    folded, limited = _with_spike_limits(folded, statistics)
    given, assumed = given_scales(network, folded, chip, options)
    given, code, more = _settled_input(given, folded, chip, calibration, input_kind, fine)
    _check_layers(folded, chip, code)
    kept = None if given else _kept_codes(folded, chip, code, options)
    codes = _given_codes(given) if given else kept
    if codes is None:
        codes = _scaled_codes(folded, chip, code, options, statistics or stand_in(network, folded))
    means = {n: s.y_mean for n, s in statistics.items() if s.y_mean is not None}

    def layers_of(trial: Trial) -> tuple[QuantizedLayer, ...]:
        return tuple(
            build_layer(
                with_shut_neurons(layer, codes),
                codes,
                chip,
                replace(options, stretch=trial.stretch),
                statistics.get(layer.name),
                keep=not given and (kept is not None or _is_plain(layer, codes, chip, options)),
                given=given.layers[layer.name] if given else part_scale(layer, codes),
                means=means if trial.correct_means else None,
            )
            for layer in folded.layers
        )

    quantized = QuantizedNetwork(
        layers=layers_of(PLAIN),
        output=folded.output,
        input_shape=network.input_shape,
        input_code=code,
        membrane_bits=chip.core.membrane_bits,
        readout=cast(Literal["sum", "mean", "last"], network.readout),
        assumptions=(
            *network.assumptions,
            *folded.assumptions,
            *limited,
            *assumed,
            *more,
            *_assumptions(folded, statistics, kept is not None, given is not None),
        ),
        provenance=dict(network.provenance),
    )
    if calibration is None:
        return quantized
    if not given and kept is None:
        quantized = best_trial(quantized, layers_of, network, calibration)
    return with_figures(quantized, network, calibration)


def _settled_input(
    given: GivenScales | None,
    folded: FoldedNetwork,
    chip: Chip,
    calibration: npt.ArrayLike | None,
    input_kind: InputKind,
    fine: bool,
) -> tuple[GivenScales | None, InputCode, list[str]]:
    """The scales that hold with this kind of input, its code, and what was assumed for it."""
    if given is not None and input_kind in ("auto", given.input_code.kind):
        return given, given.input_code, []
    return None, *choose_input_code(folded, chip, calibration, input_kind, fine)


def _with_spike_limits(
    folded: FoldedNetwork, statistics: dict[str, LayerStatistics]
) -> tuple[FoldedNetwork, list[str]]:
    """A number of spikes per tick for neurons that have none, or one that no sum can hold.

    With a soft reset, what goes beyond stays in the potential and fires in the next tick.
    """
    layers, notes = [], []
    for layer in folded.layers:
        neuron, seen = layer.neuron, statistics.get(layer.name)
        limit = MANY_SPIKES
        if seen is not None:
            limit = max(FEW_SPIKES, SPIKE_HEADROOM * int(np.ceil(seen.y_high)))
        if neuron.output == "spike" and neuron.n_max > max(limit, MANY_SPIKES):
            layer = replace(layer, neuron=replace(neuron, n_max=limit))
            why = (
                "" if seen is None else f", {SPIKE_HEADROOM} times what the calibration data cause"
            )
            rest = "are lost" if neuron.reset == "hard" else "wait in the potential"
            notes.append(
                f"Layer {layer.name!r}: at most {limit} spikes per neuron and tick{why}; "
                f"more {rest}."
            )
        layers.append(layer)
    return replace(folded, layers=tuple(layers)), notes


def _check_layers(folded: FoldedNetwork, chip: Chip, code: InputCode) -> None:
    """Refuse what this chip or the soma does not offer, by name."""
    kinds = {layer.name: layer.neuron for layer in folded.layers}
    for layer in folded.layers:
        neuron = layer.neuron
        refuse_values_of_spikes(layer, chip)
        if neuron.alpha_syn is not None and "cuba" not in chip.core.soma_models:
            raise DoesNotFitError(
                f"Layer {layer.name!r} has a synaptic state and needs the soma model 'cuba'; "
                f"{chip.name} offers {', '.join(chip.core.soma_models)}. Choose a chip whose "
                "core.soma_models names it."
            )
        if "liaf" not in chip.core.soma_models:
            raise DoesNotFitError(
                f"Layer {layer.name!r} needs the soma model 'liaf'; {chip.name} offers "
                f"{', '.join(chip.core.soma_models)}. Choose a chip whose core.soma_models "
                "names it."
            )
        if neuron.output not in chip.core.output_kinds:
            what = "The linear read-out" if layer.added else f"Layer {layer.name!r}"
            raise DoesNotFitError(
                f"{what} sends {neuron.output} packets; {chip.name} sends "
                f"{' and '.join(chip.core.output_kinds)} packets only. Choose a chip whose "
                f"core.output_kinds names {neuron.output}, or use {chip.core.output_kinds[0]} "
                "neurons there."
            )
        for projection in layer.projections:
            kind = code.kind if projection.source == INPUT else kinds[projection.source].output
            if layer.spikes_in and kind != "spike":
                raise UnsupportedError(
                    f"{layer.name!r}: a maximum pool needs spikes (0 or 1), but sees {kind} "
                    "values. Encode the input as spikes, or use average pooling."
                )
            if kind not in chip.core.input_kinds:
                raise DoesNotFitError(
                    f"Layer {layer.name!r} takes {kind} packets from {projection.source!r}; "
                    f"{chip.name} takes {' and '.join(chip.core.input_kinds)} packets only. "
                    f"Choose a chip whose core.input_kinds names {kind}."
                )


def _input_as_code(code: InputCode) -> OutputCode:
    return OutputCode(code.kind == "spike", code.unit, code.low, code.high)


def _given_codes(given: GivenScales) -> dict[str, OutputCode]:
    codes = {name: layer.code for name, layer in given.layers.items()}
    return {INPUT: _input_as_code(given.input_code)} | codes


def _kept_codes(
    folded: FoldedNetwork, chip: Chip, code: InputCode, options: QuantizeOptions
) -> dict[str, OutputCode] | None:
    """Output codes of a network that is all integers; None if it is not."""
    codes = {INPUT: _input_as_code(code)}
    for layer in folded.layers:
        own = (
            spike_code(layer.neuron.n_max)
            if layer.neuron.output == "spike"
            else integer_code(layer.neuron, chip.packet.analog_payload_bits)
        )
        if own is None or not holds_maxima(layer, own, _float_bound(layer, codes)):
            return None
        codes[layer.name] = own
    if code.unit != 1.0 or not all(
        has_integers(layer, codes, chip, options.weight_bits, chip.core.decay_bits)
        for layer in folded.layers
    ):
        return None
    return codes


def _is_plain(
    layer: FoldedLayer, codes: dict[str, OutputCode], chip: Chip, options: QuantizeOptions
) -> bool:
    """A spiking layer of integers inside a float network, whose potential needs no fractions."""
    return (
        layer.neuron.output == "spike"
        and all(codes[p.source].unit == 1.0 for p in layer.projections)
        and has_integers(layer, codes, chip, options.weight_bits, decay_bits=0)
    )


def _scaled_codes(
    folded: FoldedNetwork,
    chip: Chip,
    code: InputCode,
    options: QuantizeOptions,
    statistics: dict[str, LayerStatistics],
) -> dict[str, OutputCode]:
    """Output codes from the calibration, or from bounds propagated in forward order."""
    codes = {INPUT: _input_as_code(code)}
    for layer in folded.layers:
        if layer.neuron.output == "spike":
            codes[layer.name] = spike_code(layer.neuron.n_max)
    for layer in folded.layers:
        if counts_steps(layer.neuron):
            codes[layer.name] = part_code(layer.neuron, codes)
        elif layer.neuron.output == "analog":
            found = statistics.get(layer.name)
            bound = _float_bound(layer, codes)
            if found is not None and found.stands_in:
                found = found.doubled(bound, layer.neuron)
            codes[layer.name] = scaled_code(
                layer.name, layer.neuron, found, bound, chip.packet.analog_payload_bits, options
            )
    return codes


def _float_bound(layer: FoldedLayer, codes: dict[str, OutputCode]) -> tuple[float, float]:
    """Proven range of what the activation sees; infinite behind an analog loop."""
    low, high = layer.bias.copy(), layer.bias.copy()
    for projection in layer.projections:
        code = codes.get(projection.source)
        if code is None:
            return -np.inf, np.inf
        linear = projection.map
        total = linear.apply(np.ones((1, linear.n_in)))[0]
        size = linear.absolute().apply(np.ones((1, linear.n_in)))[0]
        positive, negative = (size + total) / 2, (total - size) / 2
        low += (positive * code.low + negative * code.high) * code.unit
        high += (positive * code.high + negative * code.low) * code.unit
    parameters = parameters_of(layer.neuron, layer.shape)
    if parameters.alpha_syn is not None:
        low, high = current_bounds(parameters.alpha_syn, low, high)
    least, most = potential_bounds(layer.neuron, parameters, low, high)
    if layer.neuron.threshold_related:
        least, most = least - parameters.threshold, most - parameters.threshold
    return float(least.min()), float(most.max())


def _assumptions(
    folded: FoldedNetwork,
    statistics: dict[str, LayerStatistics],
    layers_kept: bool,
    layers_given: bool,
) -> list[str]:
    found = []
    for layer in folded.layers:
        neuron = layer.neuron
        if neuron.strict and neuron.n_max > 1:
            found.append(
                f"Layer {layer.name!r}: a potential of exactly k thresholds gives k spikes on the "
                "chip, k - 1 in the float network (strict comparison)."
            )
        if layers_kept and (neuron.alpha % 1).any():
            found.append(
                f"Layer {layer.name!r}: its integers are kept, so its potential is rounded to a "
                "whole number in every tick; weight_shift gives it fractional bits."
            )
        bounded = not (layers_kept or layers_given or layer.name in statistics)
        if neuron.output == "analog" and bounded and not counts_steps(neuron):
            found.append(
                f"Layer {layer.name!r}: range of its analog output from random inputs of 0 and 1, "
                "doubled; calibration data would show the true one."
            )
    return found
