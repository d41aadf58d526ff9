"""What kernels that are written as LLVM's own vectors share; nothing here is compiled by itself."""

from __future__ import annotations

import importlib
from typing import Any

# None has type stubs.
ir: Any = importlib.import_module("llvmlite.ir")
cgutils: Any = importlib.import_module("numba.core.cgutils")
_binding: Any = importlib.import_module("llvmlite.binding")


def has_feature(name: str) -> bool:
    """Whether this machine's processor has instructions of this name, ``avx2`` say."""
    return bool(_binding.get_host_cpu_features().get(name, False))


def vector_type(bits: int, n: int) -> Any:
    """Vectors of `n` integers of `bits` bits."""
    return ir.VectorType(ir.IntType(bits), n)


def data_of(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """Pointer to the first element of an array of Numba's type `kind`."""
    return context.make_array(kind)(context, builder, array).data


def load_vector(builder: Any, data: Any, index: Any, bits: int, n: int) -> Any:
    """`n` neighbours of `bits` bits each, from ``data[index]`` on."""
    place = builder.bitcast(builder.gep(data, [index]), vector_type(bits, n).as_pointer())
    return builder.load(place, align=bits // 8)


def store_vector(builder: Any, value: Any, data: Any, index: Any, bits: int) -> None:
    """Put a vector at ``data[index]`` and behind."""
    place = builder.bitcast(builder.gep(data, [index]), value.type.as_pointer())
    builder.store(value, place, align=bits // 8)


def pick(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    """These lanes of two vectors; those of `b` count on from those of `a`."""
    return builder.shuffle_vector(a, b, vector_type(32, len(lanes))(lanes))


def add_neighbours(builder: Any, vector: Any) -> Any:
    """Sums of lanes 2 k and 2 k + 1."""
    even, odd = (
        pick(builder, vector, vector, list(range(first, vector.type.count, 2))) for first in (0, 1)
    )
    return builder.add(even, odd)


def splat(builder: Any, value: Any, vector: Any) -> Any:
    """`value` in every lane of a `vector`."""
    none = vector(ir.Undefined)
    first = builder.insert_element(none, value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, none, vector_type(32, vector.count)(None))
