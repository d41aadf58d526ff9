"""Routers: the links that packets cross, and who sends which packet."""

from __future__ import annotations

from neurosim_mapper.route.dimension_order import DimensionOrder
from neurosim_mapper.route.packets import core_entries, route_packets

__all__ = ["DimensionOrder", "core_entries", "route_packets"]
