"""Plan of a ModelVersion: whether the version may serve. Pure."""

from modelops.api.annotations import APPROVE, APPROVED_BY
from modelops.api.modelversion import ApprovalStatus, GateResult, ModelVersion, ModelVersionStatus
from modelops.controllers.modelversion.approval import approval_status
from modelops.controllers.modelversion.gates import describe, evaluate
from modelops.controllers.modelversion.observe import Observation
from modelops.machinery.conditions import DesiredCondition, condition, in_progress, ready, stalled
from modelops.machinery.plan import Plan
from modelops.machinery.settings import Store


def plan(seen: Observation) -> Plan:
    """Decide whether a version may serve. Pure."""
    spec = seen.version.spec
    gates = [evaluate(gate, spec.origin.metrics) for gate in spec.gates]
    approval = approval_status(seen.version, seen.now)
    return Plan(
        status=ModelVersionStatus(
            gates=gates,
            approval=approval,
            runs_code_on_load=spec.artifact.format.runs_code_on_load,
            served_by=list(seen.served_by),
        ),
        conditions=(*_ready(seen, gates, approval), _gates_passed(gates), _approved(seen.version, approval)),
    )


def _ready(seen: Observation, gates: list[GateResult], approval: ApprovalStatus) -> tuple[DesiredCondition, ...]:
    version = seen.version
    if not seen.store.allows_artifact(version.spec.artifact.uri, version.metadata.namespace):
        return stalled("ArtifactNotAllowed", _not_allowed(version, seen.store))
    failed = [describe(gate) for gate in gates if gate.outcome != "Passed"]
    if failed:
        return stalled("GateFailed", "; ".join(failed))
    if approval.state == "Pending":
        return in_progress("AwaitingApproval", _how_to_approve(version))
    if approval.state == "Refused":
        return stalled("ApprovalMismatch", _mismatch(version))
    return ready("MayServe", f"{len(gates)}/{len(gates)} gates passed, approval {approval.state}")


def _gates_passed(gates: list[GateResult]) -> DesiredCondition:
    failed = [gate for gate in gates if gate.outcome != "Passed"]
    if failed:
        return condition("GatesPassed", False, "GateFailed", f"{len(failed)}/{len(gates)} gates failed")
    return condition("GatesPassed", True, "AllPassed", f"{len(gates)}/{len(gates)} gates passed")


def _approved(version: ModelVersion, approval: ApprovalStatus) -> DesiredCondition:
    match approval.state:
        case "NotRequired":
            return condition("Approved", True, "NotRequired", "approval is Automatic")
        case "Approved":
            return condition("Approved", True, "Approved", f"approved by {approval.by or 'an unnamed person'}")
        case "Refused":
            return condition("Approved", False, "ApprovalMismatch", _mismatch(version))
        case _:
            return condition("Approved", False, "AwaitingApproval", _how_to_approve(version))


def _not_allowed(version: ModelVersion, store: Store) -> str:
    place = store.place_of(version.metadata.namespace)
    own = f"s3://{place.bucket}/{place.prefix}"
    return (
        f"artifact.uri {version.spec.artifact.uri} is outside {own}, the namespace's prefix of the store; "
        "import the model from there, or have its prefix added to store.importPrefixes of the chart"
    )


_WHOAMI = "\"$(kubectl auth whoami -o jsonpath='{.status.userInfo.username}')\""


def _how_to_approve(version: ModelVersion) -> str:
    digest = version.spec.artifact.digest
    where = f"modelversion {version.metadata.name} -n {version.metadata.namespace}"
    return f"approve with: kubectl annotate {where} {APPROVE}={digest} {APPROVED_BY}={_WHOAMI}"


def _mismatch(version: ModelVersion) -> str:
    return (
        f"annotation {APPROVE} is {version.metadata.annotations.get(APPROVE)}, "
        f"the artifact's digest is {version.spec.artifact.digest}; approve that digest"
    )
