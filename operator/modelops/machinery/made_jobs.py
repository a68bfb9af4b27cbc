"""Jobs that the operator has made: recorded by UID in the status of their parent. Pure."""

from collections.abc import Iterable, Mapping

from modelops.api.kinds import Kind
from modelops.api.types import MadeJob
from modelops.machinery.resources import Body

_KEPT = 16


def made_jobs(parent: Kind) -> list[MadeJob]:
    """Return the Jobs that the status of an object records; none for a kind without Jobs."""
    jobs: list[MadeJob] = getattr(parent.status, "jobs", [])  # type: ignore[attr-defined]
    return jobs


def is_believed(body: Body, recorded: Iterable[MadeJob]) -> bool:
    """Return whether a Job may be the recorded one of its name.

    A Job without a record is: the operator may have ended between the creation of the Job and the write of the status.
    """
    name, uid = body["metadata"]["name"], body["metadata"]["uid"]
    return all(job.uid == uid for job in recorded if job.name == name)


def with_created(recorded: Iterable[MadeJob], created: Mapping[str, str]) -> list[MadeJob]:
    """Return the record with Jobs that were created, as name → UID. The record of a deleted Job stays: it harms none.

    Removing it would be another write of the status, at the end of each Job.
    """
    kept = [job for job in recorded if job.name not in created]
    return [*kept, *(MadeJob(name=name, uid=uid) for name, uid in created.items())][-_KEPT:]
