"""Sizes of memory on the command line: ``500MB``, ``2GB``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    _Number = click.ParamType[int]
else:  # an older click has no type parameter
    _Number = click.ParamType


class Size(_Number):
    """Bytes: a number, or one with MB or GB behind it."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Whole bytes; click reports what is no size."""
        units = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?B?)", str(value).strip().upper())
        if found is None or found[2] not in units:
            self.fail(
                f"{value!r} is no size; needed: bytes, or a number with MB or GB.", param, ctx
            )
        return int(float(found[1]) * units[found[2]])
