"""How the small steps of the network become one piece of machine code.

Two things keep Numba from fusing functions that share arrays: LLVM calls what it finds too
long, and every call counts references to every array (measured: 300 ns per flit and router,
instead of 30). So the steps are marked `inlined`, and `run` hands them `bare` pointers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba.core import cgutils, config, types
from numba.extending import intrinsic

from neurosim.kernels._jit import kernel

_config: Any = config
_F = TypeVar("_F", bound=Callable[..., Any])


def inlined(function: _F) -> _F:
    """Like `kernel`, always inlined by LLVM into the compiled caller."""
    compiled = kernel(function)
    options = getattr(compiled, "targetoptions", None)
    if options is not None:
        options["forceinline"] = True
    return compiled


def _same(array: Any) -> Any:
    return array


@intrinsic
def _pointer(typingctx: Any, array: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        struct: Any = cgutils.create_struct_proxy
        return struct(signature.args[0])(context, builder, value=args[0]).data

    pointer: Any = types.CPointer
    return pointer(array.dtype)(array), codegen


bare: Any
"""The data of a one-dimensional contiguous array as a pointer: indexed the same way, not checked,
not counted. The array itself without a compiler or with bounds checks on."""
if _config.DISABLE_JIT:
    bare = _same
elif _config.BOUNDSCHECK:
    bare = kernel(_same)
else:
    bare = _pointer
