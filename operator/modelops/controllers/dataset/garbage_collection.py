"""Which Jobs of a Dataset have nothing to say any more. Pure."""

from dataclasses import replace

from modelops.api.dataset import Dataset, DatasetStatus
from modelops.controllers.dataset import children
from modelops.controllers.dataset.context import Case
from modelops.controllers.dataset.schedule import asked, surveyed
from modelops.machinery.plan import Plan


def tidied(case: Case, decision: Plan) -> Plan:
    """Jobs that neither the status nor the decision speaks of go: what they had to say is kept, or of no use."""
    dataset = case.seen.dataset
    if not dataset.spec.suspend and case.seen.sighting is None and not surveyed(dataset, None):
        return decision
    assert isinstance(decision.status, DatasetStatus)
    kept = _spoken_of(dataset.model_copy(update={"status": decision.status}))
    if not dataset.spec.suspend:
        kept |= _spoken_of(dataset)
    going = {one.key for one in decision.delete}
    strays = tuple(job.delete for job in case.seen.jobs if job.key.name not in kept and job.key not in going)
    return replace(decision, delete=(*decision.delete, *strays))


def _spoken_of(dataset: Dataset) -> set[str]:
    """The names of the Jobs that a status speaks of. Of a suspended Dataset no survey is expected any more."""
    candidate, names = dataset.status.candidate, set()
    if candidate is not None and candidate.state != "Failed" and candidate.digest is not None:
        names.add(children.job_name(dataset, candidate.digest))
    if not dataset.spec.suspend:
        names |= {children.survey_name(dataset), children.survey_name(dataset, asked(dataset))}
    return names
