"""How the small steps of the network become one piece of machine code.

Two things keep Numba from fusing functions that share arrays: LLVM calls what it finds too
long, and every call counts references to every array (measured: 300 ns per flit and router,
instead of 30). So the steps are marked
`_jit.inlined`, and `run` hands them `bare` pointers.
"""

from __future__ import annotations

from typing import Any

from numba.core import cgutils, config, types
from numba.extending import intrinsic

from neurosim.kernels._jit import kernel

_config: Any = config


def _same(array: Any) -> Any:
    return array


@intrinsic
def _pointer(typingctx: Any, array: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        struct: Any = cgutils.create_struct_proxy
        return struct(signature.args[0])(context, builder, value=args[0]).data

    pointer: Any = types.CPointer
    return pointer(array.dtype)(array), codegen


@intrinsic
def _prefetch(typingctx: Any, pointer: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        ir: Any = cgutils.ir  # type: ignore[attr-defined]
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        hint = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function: Any = cgutils.get_or_insert_function
        fetch = function(builder.module, hint, "llvm.prefetch.p0i8")
        place = builder.bitcast(builder.gep(args[0], [args[1]]), byte)
        builder.call(fetch, [place, word(1), word(3), word(1)])  # to write, keep, data
        return context.get_dummy_value()

    return types.void(pointer, types.intp), codegen


@intrinsic
def _ones(typingctx: Any, mask: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.int64), codegen


def _ignore(array: Any, index: int) -> None:
    return None


def _count_ones(mask: int) -> int:
    return int(mask).bit_count()


bits_on: Any
"""``bits_on(mask)``: number of set bits of a mask that is not negative."""

soon: Any
"""``soon(array, index)``: this cell is about to be used, fetch its cache line. Changes nothing."""
bare: Any
"""The data of a one-dimensional contiguous array as a pointer: indexed the same way, not checked,
not counted. The array itself without a compiler or with bounds checks on."""
if _config.DISABLE_JIT:
    bare, soon, bits_on = _same, _ignore, _count_ones
elif _config.BOUNDSCHECK:
    bare, soon, bits_on = kernel(_same), kernel(_ignore), _ones
else:
    bare, soon, bits_on = _pointer, _prefetch, _ones
