"""What a run did and cost: `Report`, its JSON form and schema, tables for the terminal."""

from __future__ import annotations

from neurosim.report.comparison import Comparison, compare_runs
from neurosim.report.report import REPORT_SCHEMA, Report, make_report
from neurosim.report.schema import report_schema

__all__ = [
    "REPORT_SCHEMA",
    "Comparison",
    "Report",
    "compare_runs",
    "make_report",
    "report_schema",
]
