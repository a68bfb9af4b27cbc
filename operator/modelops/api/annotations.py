"""Annotations: requests of people and tools to the operator, and evidence of what a Pod serves."""

from modelops.api.kinds import GROUP

REFRESH = f"{GROUP}/refresh"
"""On a Dataset: probe the source now."""
RETRY = f"{GROUP}/retry"
"""On a failed TrainingRun or InferenceService: try again."""
STOP = f"{GROUP}/stop"
"""On a TrainingRun: stop its Job or its sweep. The value is the reason."""
APPROVE = f"{GROUP}/approve"
"""On a ModelVersion: the digest of the artifact that is approved."""
APPROVED_BY = f"{GROUP}/approved-by"
"""On a ModelVersion: the approver."""
PROMOTE = f"{GROUP}/promote"
"""On an InferenceService: proceed to the next step."""
PROMOTE_FULL = f"{GROUP}/promote-full"
"""On an InferenceService: promote the candidate now, without further steps."""
PAUSE = f"{GROUP}/pause"
"""On an InferenceService: `true` keeps the candidate in its current step."""
ABORT = f"{GROUP}/abort"
"""On an InferenceService: roll back to the stable version. The value is the reason."""
RESUME_BY = f"{GROUP}/resume-by"
"""On an InferenceService: the user who removed the pause."""
ARTIFACT_DIGEST = f"{GROUP}/artifact-digest"
"""On a Pod that serves: the digest of the model's files."""
LINEAGE = f"{GROUP}/lineage"
"""On a Job or Pod: the lineage of the model or data, as JSON."""


def requester(request: str) -> str:
    """Return the annotation with the user who made a request to a rollout, such as modelops.dev/promote-by."""
    return f"{request}-by"
