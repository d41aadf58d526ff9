"""State dicts that ``torch.save`` wrote, without torch and without running anything in them.

Enters: a zip file with a ``data.pkl`` and one member per storage. Leaves: plain dicts and lists
with numpy arrays in place of tensors. The pickle is interpreted here, opcode by opcode: dicts,
lists, tuples, numbers and texts are built, the functions that make a tensor are replaced by views
of the storages, and every other object becomes an `Opaque` that knows its name only. Nothing is
imported or called.
Promised: memory stays below a small multiple of the file's size.
"""

from __future__ import annotations

import io
import math
import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError
from neurosim.files.needed import ZIP_ERRORS, damaged_zip

Array = npt.NDArray[Any]

# dtype of a storage class; bfloat16 is widened by hand.
STORAGES: Final = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "bf16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_SCALARS: Final = (str, int, float, bool, type(None))
_MARK: Final = object()


@dataclass(frozen=True)
class Opaque:
    """An object that is not a plain value; only the name of its class is kept."""

    name: str


@dataclass(frozen=True)
class _Global:
    """A name that the pickle refers to; never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True)
class _Storage:
    values: Array


class DamagedError(Exception):
    """What is wrong with the file, as the end of a sentence."""


def read_torch_file(path: Path) -> Any:
    """What the file holds: dicts, lists, tuples, numbers, texts, numpy arrays, `Opaque` objects.

    Raises InputFileError, naming file and reason, for a damaged file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Archive(path, archive).load()
    except DamagedError as problem:
        raise InputFileError(f"{path}: is not a usable torch file: {problem}.") from None
    except ZIP_ERRORS as error:
        raise damaged_zip(path, error) from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputFileError(f"{path}: its data.pkl is damaged ({reason}).") from None
    except EOFError:
        raise InputFileError(f"{path}: is cut off.") from None


class _Archive:
    """The members of one file."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.room = path.stat().st_size
        self.members = {info.filename: info for info in archive.infolist()}
        self.storages: dict[str, _Storage] = {}
        pickles = [name for name in self.members if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise DamagedError(f"it holds {len(pickles)} members called data.pkl, needs 1")
        self.pickle = pickles[0]
        self.prefix = self.pickle[: -len("data.pkl")]
        order = self.prefix + "byteorder"
        self.order = self.member(order).decode("ascii") if order in self.members else "little"
        if self.order not in ("little", "big"):
            raise DamagedError(f"its byte order is {self.order[:20]!r}")

    def load(self) -> Any:
        """Interpret the pickle."""
        return _Machine(self.storage).run(self.member(self.pickle))

    def member(self, name: str) -> bytes:
        """Bytes of a member; all members together are no larger than the file."""
        if name not in self.members:
            raise DamagedError(f"the member {name!r} is missing")
        info = self.members[name]
        if info.compress_type != zipfile.ZIP_STORED:
            raise DamagedError(f"the member {name!r} is compressed, which torch never does")
        self.room -= info.file_size
        if self.room < 0:
            raise DamagedError("its members claim more bytes than the file has")
        return self.archive.read(info)

    def storage(self, key: str, kind: str, n_elements: int) -> _Storage:
        """The numbers of one storage."""
        if key in self.storages:
            return self.storages[key]
        code = STORAGES.get(kind)
        if code is None:
            raise DamagedError(f"a storage of the kind {kind!r} is not known")
        content = self.member(f"{self.prefix}data/{key}")
        mark: Literal["<", ">"] = "<" if self.order == "little" else ">"
        if code == "bf16":
            half = np.frombuffer(content[: len(content) // 2 * 2], f"{mark}u2")
            values: Array = (half.astype(np.uint32) << 16).view(np.float32)
        else:
            dtype = np.dtype(code).newbyteorder(mark)
            usable = len(content) // dtype.itemsize * dtype.itemsize
            values = np.frombuffer(content[:usable], dtype)
        if not 0 <= n_elements <= values.size:
            raise DamagedError(
                f"storage {key!r} has {values.size} values, the file says {n_elements}"
            )
        self.storages[key] = _Storage(values)
        return self.storages[key]


def tensor_view(
    values: Array, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> Array:
    """The view that a tensor is of its storage; refuses what reaches outside or repeats values."""
    whole = (offset, *shape, *stride)
    if len(shape) != len(stride) or not all(type(n) is int and n >= 0 for n in whole):
        raise DamagedError(f"a tensor has shape {shape} and stride {stride}")
    size = math.prod(shape)
    last = offset + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
    if len(shape) > 32 or size > values.size or (size and last >= values.size):
        raise DamagedError(f"a tensor of shape {shape} reaches outside its {values.size} values")
    if not size:
        return np.zeros(shape, values.dtype)
    step = values.dtype.itemsize
    return np.lib.stride_tricks.as_strided(
        values[offset:], shape, tuple(s * step for s in stride), writeable=False
    )


@dataclass
class _Machine:
    """A pickle machine that builds plain values only."""

    storage: Callable[[str, str, int], _Storage]
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, content: bytes) -> Any:
        """The value that the pickle describes."""
        for opcode, argument, _ in pickletools.genops(io.BytesIO(content)):
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in _PUSH:
                self.stack.append(argument)
            elif opcode.name in _CONSTANTS:
                self.stack.append(_CONSTANTS[opcode.name]())
            else:
                step = getattr(self, "do_" + opcode.name.lower(), None)
                if step is None:
                    raise DamagedError(f"its pickle uses {opcode.name}, which no state dict needs")
                step(argument)
        raise DamagedError("its pickle has no end")

    def since_mark(self) -> list[Any]:
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                values = self.stack[i + 1 :]
                del self.stack[i:]
                return values
        raise DamagedError("its pickle has no mark where one is needed")

    def do_proto(self, argument: Any) -> None:
        """Version; any."""

    do_frame = do_proto

    def do_mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def do_pop(self, _: Any) -> None:
        self.stack.pop()

    def do_memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def do_binput(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def do_binget(self, index: int) -> None:
        self.stack.append(self.memo[index])

    do_long_binput, do_put = do_binput, do_binput
    do_long_binget, do_get = do_binget, do_binget

    def do_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.since_mark()))

    def _tuple(self, n: int) -> None:
        values = tuple(self.stack[-n:])
        if len(values) != n:
            raise DamagedError("its pickle runs out of values")
        del self.stack[-n:]
        self.stack.append(values)

    def do_tuple1(self, _: Any) -> None:
        self._tuple(1)

    def do_tuple2(self, _: Any) -> None:
        self._tuple(2)

    def do_tuple3(self, _: Any) -> None:
        self._tuple(3)

    def do_append(self, _: Any) -> None:
        value = self.stack.pop()
        self._extend([value])

    def do_appends(self, _: Any) -> None:
        self._extend(self.since_mark())

    def _extend(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)

    def do_setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def do_setitems(self, _: Any) -> None:
        self._update(self.since_mark())

    def _update(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if len(values) % 2:
            raise DamagedError("its pickle has a key without a value")
        if isinstance(target, dict):
            pairs = zip(values[::2], values[1::2], strict=True)
            target.update({k: v for k, v in pairs if isinstance(k, _SCALARS)})

    def do_additems(self, _: Any) -> None:
        self.since_mark()

    def do_frozenset(self, _: Any) -> None:
        self.since_mark()
        self.stack.append(Opaque("frozenset"))

    def do_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(_Global(module, name))

    def do_stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_Global(str(module), str(name)))

    def do_binpersid(self, _: Any) -> None:
        """A storage: ("storage", class, key, device, number of elements)."""
        what = self.stack.pop()
        if not (isinstance(what, tuple) and len(what) == 5 and what[0] == "storage"):
            raise DamagedError("it refers to something outside that is no storage")
        _, kind, key, _, n_elements = what
        if not (isinstance(kind, _Global) and isinstance(key, str) and isinstance(n_elements, int)):
            raise DamagedError("a storage is described wrongly")
        self.stack.append(self.storage(key, kind.name, n_elements))

    def do_reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(_call(function, arguments))

    def do_newobj(self, _: Any) -> None:
        self.stack.pop()
        self.stack.append(Opaque(str(self.stack.pop())))

    def do_newobj_ex(self, argument: Any) -> None:
        self.stack.pop()
        self.do_newobj(argument)

    def do_obj(self, _: Any) -> None:
        self.stack.append(Opaque(str(self.since_mark()[0])))

    def do_build(self, _: Any) -> None:
        """Attributes of an object; state dicts carry versions there, which are not needed."""
        self.stack.pop()
        if not isinstance(self.stack[-1], dict | Opaque | np.ndarray):
            raise DamagedError("its pickle gives attributes to a plain value")


_PUSH: Final = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "BINFLOAT", "FLOAT"}
    | {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINBYTES", "SHORT_BINBYTES"}
    | {"BINBYTES8", "BINSTRING", "SHORT_BINSTRING", "STRING"}
)
_CONSTANTS: Final[dict[str, Callable[[], Any]]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": lambda: Opaque("set"),
}


def _call(function: Any, arguments: Any) -> Any:
    """What a call means, without calling anything."""
    if not isinstance(arguments, tuple):
        raise DamagedError("its pickle calls something without arguments")
    name = str(function) if isinstance(function, _Global) else "an object"
    if name == "collections.OrderedDict":
        return {}
    if name == "torch._utils._rebuild_parameter" and arguments:
        return arguments[0]
    if name == "torch._utils._rebuild_tensor_v2":
        storage, offset, shape, stride = arguments[:4]
        if not (isinstance(storage, _Storage) and isinstance(shape, tuple)):
            raise DamagedError("a tensor has no storage or no shape")
        if not isinstance(stride, tuple):
            raise DamagedError("a tensor has no stride")
        return tensor_view(storage.values, offset, shape, stride)
    return Opaque(name)
