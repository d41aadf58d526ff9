"""The first use of a kernel on a machine takes its compilation, which somebody may want to be told.

Apart from what compiles, so that a command line can ask for it without importing a compiler.
"""

from __future__ import annotations

from collections.abc import Callable

_listeners: list[Callable[[], None]] = []


def before_compiling(listener: Callable[[], None]) -> None:
    """Call `listener` once, when this process first needs a kernel that is not on disk yet."""
    _listeners[:] = [listener]


def tell() -> None:
    """A kernel is about to be compiled."""
    if _listeners:
        _listeners.pop()()
