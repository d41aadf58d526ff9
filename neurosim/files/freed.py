"""Memory that was freed, given back to the system.

A large program is loaded, checked and rearranged with arrays that live for a moment. The C library
keeps what they leave for later, which a process that then only simulates never uses: 30 MB for a
full TrueNorth.
"""

from __future__ import annotations

import ctypes


def give_back_freed() -> None:
    """Hand the free pages of the heap back, where the C library can (glibc); a few ms."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return
    trim(ctypes.c_size_t(0))
