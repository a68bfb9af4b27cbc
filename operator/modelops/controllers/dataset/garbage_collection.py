"""Garbage collection: which Jobs of a Dataset are deleted. Pure."""

from dataclasses import replace

from modelops.api.dataset import Dataset, DatasetStatus
from modelops.controllers.dataset import children
from modelops.controllers.dataset.context import Context
from modelops.controllers.dataset.schedule import probed_by_job, refresh_requested
from modelops.machinery.plan import Plan


def collect_garbage(context: Context, decision: Plan) -> Plan:
    """Return the plan with the deletion of every Job that neither the status nor the plan expects.

    The result of such a Job is in the status already, or is not needed. Nothing is deleted while the operator does not
    know yet whether a Job or the operator itself probes the source.
    """
    dataset = context.seen.dataset
    if not dataset.spec.suspend and context.seen.probe_result is None and not probed_by_job(dataset, None):
        return decision
    assert isinstance(decision.status, DatasetStatus)
    expected = _expected_jobs(dataset.model_copy(update={"status": decision.status}))
    if not dataset.spec.suspend:
        expected |= _expected_jobs(dataset)
    deleted = {delete.key for delete in decision.delete}
    garbage = tuple(job.delete for job in context.seen.jobs if job.key.name not in expected and job.key not in deleted)
    return replace(decision, delete=(*decision.delete, *garbage))


def _expected_jobs(dataset: Dataset) -> set[str]:
    """Return the names of the Jobs that a status expects. A suspended Dataset expects no probe Job."""
    candidate, names = dataset.status.candidate, set()
    if candidate is not None and candidate.state != "Failed" and candidate.digest is not None:
        names.add(children.snapshot_job_name(dataset, candidate.digest))
    if not dataset.spec.suspend:
        names |= {children.probe_job_name(dataset), children.probe_job_name(dataset, refresh_requested(dataset))}
    return names
