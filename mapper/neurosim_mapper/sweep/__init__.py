"""Design-space sweeps: a study file in, a table and its Pareto front out.

    study file --study--> Points --task--> Tasks --engines--> Outcomes --store--> disk
    Outcomes --table--> rows --page--> HTML

The leading process reads every file and writes every result; workers only compute. A point is
known by the digest of all that its result depends on, so a study that was stopped goes on where
it was, and a changed study computes only what it changed.
"""

from neurosim_mapper.sweep.run import Sweep, run_study
from neurosim_mapper.sweep.study import Study, read_study, study_schema

__all__ = ["Study", "Sweep", "read_study", "run_study", "study_schema"]
