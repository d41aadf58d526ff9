"""Operations between layers in a torch forward: what they are as layers, factors and differences.

Enters: the name of a torch function and how it was called. Leaves: the module that does the same
(functional pooling and activations), or the factor that a number multiplies a value with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PRODUCTS: Final = frozenset({"mul", "__mul__", "__rmul__", "multiply", "mul_", "__imul__"})
QUOTIENTS: Final = frozenset({"div", "__truediv__", "divide", "div_", "__itruediv__"})
NEGATIONS: Final = frozenset({"neg", "__neg__", "negative"})
DIFFERENCES: Final = frozenset({"sub", "__sub__", "subtract", "sub_", "__isub__"})

_POOL: Final = ("kernel_size", "stride", "padding")
_MAX: Final = (*_POOL, "dilation", "ceil_mode", "return_indices")
_AVG: Final = (*_POOL, "ceil_mode", "count_include_pad", "divisor_override")
# Function: name of the class in torch.nn, and its parameters in the order of the function.
_FUNCTIONS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "max_pool1d": ("MaxPool1d", _MAX),
    "max_pool2d": ("MaxPool2d", _MAX),
    "avg_pool1d": ("AvgPool1d", _AVG[:5]),
    "avg_pool2d": ("AvgPool2d", _AVG),
    "adaptive_avg_pool1d": ("AdaptiveAvgPool1d", ("output_size",)),
    "adaptive_avg_pool2d": ("AdaptiveAvgPool2d", ("output_size",)),
    "adaptive_max_pool2d": ("AdaptiveMaxPool2d", ("output_size",)),
    "relu": ("ReLU", ()),
    "relu_": ("ReLU", ()),
    "relu6": ("ReLU6", ()),
    "selu": ("SELU", ()),
    "sigmoid": ("Sigmoid", ()),
    "tanh": ("Tanh", ()),
    "softmax": ("Softmax", ("dim",)),
    "log_softmax": ("LogSoftmax", ("dim",)),
    "hardtanh": ("Hardtanh", ("min_val", "max_val")),
    "leaky_relu": ("LeakyReLU", ("negative_slope",)),
    "elu": ("ELU", ("alpha",)),
    "gelu": ("GELU", ("approximate",)),
    "silu": ("SiLU", ()),
    "softplus": ("Softplus", ("beta", "threshold")),
}


def layer_of(name: str, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """The module that a functional call stands for; None for another function."""
    from torch import nn

    if name not in _FUNCTIONS:
        return None
    kind, parameters = _FUNCTIONS[name]
    given = dict(zip(parameters, arguments[1:], strict=False)) | dict(named)
    given = {key: value for key, value in given.items() if key in parameters}
    return getattr(nn, kind)(**given)


def factor_of(name: str, arguments: tuple[Any, ...]) -> float | None:
    """The number that a value is multiplied with; None if the operation is something else."""
    if name in NEGATIONS:
        return -1.0
    numbers = [float(a) for a in arguments if isinstance(a, int | float)]
    if len(numbers) != 1 or len(arguments) != 2:
        return None
    if name in PRODUCTS:
        return numbers[0]
    return 1 / numbers[0] if name in QUOTIENTS and numbers[0] else None
