"""Approval: an annotation with the artifact's digest. Removing the annotation withdraws the approval. Pure."""

from datetime import datetime

from modelops.api.annotations import APPROVE, APPROVED_BY
from modelops.api.modelversion import Approval, ApprovalStatus, ModelVersion
from modelops.machinery.conditions import format_timestamp


def approval_status(version: ModelVersion, now: datetime) -> ApprovalStatus:
    """Return whether the version is approved, by whom and since when. An unchanged approval keeps its time."""
    if version.spec.approval is Approval.AUTOMATIC:
        return ApprovalStatus(state="NotRequired")
    digest = version.spec.artifact.digest
    named = version.metadata.annotations.get(APPROVE)
    if named is None:
        return ApprovalStatus(state="Pending")
    if named != digest:
        return ApprovalStatus(state="Refused")
    by = version.metadata.annotations.get(APPROVED_BY)
    before = version.status.approval
    if before is not None and before.state == "Approved" and before.by == by and before.at:
        return before
    return ApprovalStatus(state="Approved", by=by, at=format_timestamp(now), digest=digest)
