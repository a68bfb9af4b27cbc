"""May this version serve?"""

from modelops.api.annotations import APPROVE, APPROVED_BY
from modelops.api.modelversion import ApprovalStatus, GateResult, ModelVersion, ModelVersionStatus
from modelops.controllers.modelversion.approval import approval
from modelops.controllers.modelversion.gates import evaluate, in_words
from modelops.controllers.modelversion.observe import Observation
from modelops.machinery.conditions import DesiredCondition, condition, in_progress, ready, stalled
from modelops.machinery.plan import Plan


def plan(seen: Observation) -> Plan:
    """Decide whether a version may serve. Pure."""
    spec = seen.version.spec
    gates = [evaluate(gate, spec.origin.metrics) for gate in spec.gates]
    approved = approval(seen.version, seen.now)
    return Plan(
        status=ModelVersionStatus(gates=gates, approval=approved, served_by=list(seen.served_by)),
        conditions=(*_summary(seen.version, gates, approved), _gates_passed(gates), _approved(seen.version, approved)),
    )


def _summary(version: ModelVersion, gates: list[GateResult], approved: ApprovalStatus) -> tuple[DesiredCondition, ...]:
    failed = [in_words(gate) for gate in gates if gate.outcome != "Passed"]
    if failed:
        return stalled("GateFailed", "; ".join(failed))
    if approved.state == "Pending":
        return in_progress("AwaitingApproval", _how_to_approve(version))
    if approved.state == "Refused":
        return stalled("ApprovalMismatch", _mismatch(version))
    return ready("MayServe", f"all {len(gates)} gates passed, approval {approved.state}")


def _gates_passed(gates: list[GateResult]) -> DesiredCondition:
    failed = [gate for gate in gates if gate.outcome != "Passed"]
    if failed:
        return condition("GatesPassed", False, "GateFailed", f"{len(failed)} of {len(gates)} gates failed")
    return condition("GatesPassed", True, "AllPassed", f"{len(gates)} of {len(gates)} gates passed")


def _approved(version: ModelVersion, approved: ApprovalStatus) -> DesiredCondition:
    match approved.state:
        case "NotRequired":
            return condition("Approved", True, "NotRequired", "approval is Automatic")
        case "Approved":
            return condition("Approved", True, "Approved", f"approved by {approved.by or 'somebody unnamed'}")
        case "Refused":
            return condition("Approved", False, "ApprovalMismatch", _mismatch(version))
        case _:
            return condition("Approved", False, "AwaitingApproval", _how_to_approve(version))


_WHOAMI = "\"$(kubectl auth whoami -o jsonpath='{.status.userInfo.username}')\""


def _how_to_approve(version: ModelVersion) -> str:
    digest = version.spec.artifact.digest
    where = f"modelversion {version.metadata.name} -n {version.metadata.namespace}"
    return f"a person approves with: kubectl annotate {where} {APPROVE}={digest} {APPROVED_BY}={_WHOAMI}"


def _mismatch(version: ModelVersion) -> str:
    return (
        f"the annotation {APPROVE} names {version.metadata.annotations.get(APPROVE)}, "
        f"but the artifact is {version.spec.artifact.digest}"
    )
