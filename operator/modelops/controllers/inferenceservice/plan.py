"""An InferenceService's story: is there a version that may serve and a server that can, and how far is its rollout?

Until both are there, nothing of what serves is touched.
"""

from dataclasses import dataclass
from datetime import timedelta

from modelops.api.inferenceservice import InferenceService
from modelops.api.inferenceservice_status import InferenceServiceStatus
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice import children
from modelops.controllers.inferenceservice.names import service_name, url
from modelops.controllers.inferenceservice.observe import Observation
from modelops.controllers.inferenceservice.problem import Problem, worst
from modelops.controllers.inferenceservice.rollout import Rollout, arrived, rollout, shown, target_of
from modelops.controllers.inferenceservice.serving import Unusable, mismatch, model_server, runtime_of
from modelops.controllers.marks import label_of
from modelops.machinery.conditions import READY, Wanted, find, in_progress, ready, stalled, waiting
from modelops.machinery.plan import Plan, first_answer
from modelops.machinery.resources import Body

_STRANGER_AGAIN = timedelta(minutes=1)
"""Services of strangers are not watched."""
_FORMER_AGAIN = timedelta(seconds=5)


@dataclass(frozen=True)
class Case:
    """An observation with the version and the server settled."""

    seen: Observation
    apply: tuple[Body, ...]
    way: Rollout
    problem: Problem | None
    status: InferenceServiceStatus
    readiness_path: str

    @property
    def version(self) -> str:
        """The ModelVersion that shall serve."""
        return self.way.target.version

    @property
    def pods_ready(self) -> str:
        """How many of its Pods answer, in words."""
        return f"{self.way.ready} of {self.way.target.replicas} Pods of ModelVersion {self.version} are ready"


def plan(seen: Observation) -> Plan:
    """Decide what an InferenceService needs now. Pure."""
    return first_answer(
        seen,
        (
            _runtime_not_found,
            _version_not_found,
            _no_version,
            _no_ready_version,
            _version_not_ready,
            _format_mismatch,
            _former_service,
            _service_name_taken,
            _serve,
        ),
    )


def wanted_version(seen: Observation) -> ModelVersion | None:
    """The version that the spec names, or the newest of the model that may serve."""
    if seen.service.spec.model.version is not None:
        return seen.versions[0] if seen.versions else None
    return _newest(tuple(version for version in seen.versions if _may_serve(version)))


def _runtime_not_found(seen: Observation) -> Plan | None:
    """The chart's runtimes change only with a restart of the operator."""
    runtime = runtime_of(seen.service, seen.settings)
    return _held(seen, *stalled(runtime.reason, runtime.message)) if isinstance(runtime, Unusable) else None


def _version_not_found(seen: Observation) -> Plan | None:
    """Its arrival wakes the InferenceService."""
    name = seen.service.spec.model.version
    if name is None or seen.versions:
        return None
    return _held(seen, *waiting("ModelVersionNotFound", _going_on(seen, f"there is no ModelVersion {name}")))


def _no_version(seen: Observation) -> Plan | None:
    """The model has no version yet: the first one wakes the InferenceService."""
    if seen.versions:
        return None
    message = f"there is no ModelVersion of model {seen.service.spec.model.name}"
    return _held(seen, *waiting("NoReadyVersion", _going_on(seen, message)))


def _no_ready_version(seen: Observation) -> Plan | None:
    """The model has versions, and none of them may serve. The newest says why."""
    if seen.service.spec.model.version is not None or wanted_version(seen) is not None:
        return None
    newest = _newest(seen.versions)
    assert newest is not None, "the step before answers where there is none"
    message = (
        f"none of the {len(seen.versions)} ModelVersions of model {seen.service.spec.model.name} may serve; "
        f"the newest, {newest.metadata.name}: {_why_not(newest)}"
    )
    return _held(seen, *waiting("NoReadyVersion", _going_on(seen, message)))


def _version_not_ready(seen: Observation) -> Plan | None:
    """Gates fail closed: a version that may not serve does not, whoever names it."""
    version = wanted_version(seen)
    if version is None or _may_serve(version):
        return None
    message = f"ModelVersion {version.metadata.name} may not serve: {_why_not(version)}"
    return _held(seen, *waiting("ModelVersionNotReady", _going_on(seen, message)))


def _format_mismatch(seen: Observation) -> Plan | None:
    """The server could not load it: better not to try."""
    version = wanted_version(seen)
    assert version is not None, "the steps before answer where there is none"
    wrong = mismatch(seen.service, seen.settings, version)
    return _held(seen, *stalled(wrong.reason, _going_on(seen, wrong.message))) if wrong is not None else None


def _former_service(seen: Observation) -> Plan | None:
    """The Service of an InferenceService of this name that was deleted goes with it, in a moment."""
    if not _of_namesake(seen):
        return None
    message = f"Service {service_name(seen.service)} of an InferenceService that was deleted is still there"
    return _held(seen, *waiting("ServiceTerminating", message), again_in=_FORMER_AGAIN)


def _service_name_taken(seen: Observation) -> Plan | None:
    """A stranger's Service is not taken over: what it leads to may be in use."""
    if seen.endpoint is None or _is_ours(seen):
        return None
    message = (
        f"Service {service_name(seen.service)} exists and does not belong to this InferenceService: "
        "delete it, or give the InferenceService another name"
    )
    return _held(seen, *stalled("ServiceNameTaken", message), again_in=_STRANGER_AGAIN)


def _serve(seen: Observation) -> Plan:
    """A version that may serve and a server that loads it: roll it out."""
    return first_answer(_case(seen), (_stuck, _overdue, _rolling_out, _short_of_pods, _serving))


def _stuck(case: Case) -> Plan | None:
    """Its Pods cannot answer before a person changes something."""
    if case.problem is None or not case.problem.stuck or case.way.done:
        return None
    return _serves(case, *stalled(case.problem.reason, _going_on(case.seen, case.problem.message, case.status)))


def _overdue(case: Case) -> Plan | None:
    """It has had its time. Should it answer after all, it serves; another version or spec replaces it."""
    if not case.way.overdue:
        return None
    why = case.problem.message if case.problem else f"the model does not answer {case.readiness_path}"
    message = f"{case.pods_ready} after {children.PROGRESS_DEADLINE_SECONDS} seconds: {why}"
    return _serves(case, *stalled("RolloutFailed", _going_on(case.seen, message, case.status)))


def _rolling_out(case: Case) -> Plan | None:
    """Kubernetes replaces Pod by Pod, each as soon as its successor answers."""
    if case.way.done or arrived(case.way, case.seen.service.status):
        return None
    return _serves(case, *_under_way(case, "RollingOut"))


def _short_of_pods(case: Case) -> Plan | None:
    """It serves, but not with all Pods: a node was lost, or there shall be more of them."""
    if case.way.done:
        return None
    return _serves(case, *_under_way(case, "PodsNotReady"))


def _serving(case: Case) -> Plan:
    """The wanted version serves with all its Pods."""
    pods = f"{case.way.target.replicas} Pod{'s' if case.way.target.replicas != 1 else ''}"
    return _serves(case, *ready("Serving", f"ModelVersion {case.version} serves with {pods} at {case.status.url}"))


def _case(seen: Observation) -> Case:
    version = wanted_version(seen)
    assert version is not None, "the steps before answer where there is none"
    runtime = runtime_of(seen.service, seen.settings)
    assert not isinstance(runtime, Unusable), "the steps before answer where it is not known"
    wanted = children.deployment(seen.service, version, seen.settings)
    way = rollout(target_of(wanted), seen.deployment, seen.pods)
    problem = worst(way.current)
    status = _shown(seen, way, problem).model_copy(update={"url": url(seen.service, seen.settings.cluster_domain)})
    path = model_server(seen.service, seen.settings, version).readiness_path
    return Case(seen, (wanted, children.endpoint(seen.service, runtime)), way, problem, status, path)


def _serves(case: Case, *conditions: Wanted) -> Plan:
    return Plan(apply=case.apply, status=case.status, conditions=conditions)


def _under_way(case: Case, reason: str) -> tuple[Wanted, ...]:
    if case.problem is None:
        return in_progress(reason, case.pods_ready)
    return in_progress(case.problem.reason, f"{case.pods_ready}; {case.problem.message}")


def _held(seen: Observation, *conditions: Wanted, again_in: timedelta | None = None) -> Plan:
    """Nothing new is served. What is, stays as it is, and so does the way to it."""
    kept = _service_kept(seen)
    where = url(seen.service, seen.settings.cluster_domain) if kept or _is_ours(seen) else None
    return Plan(
        apply=kept,
        status=_serving_now(seen).model_copy(update={"url": where}),
        conditions=conditions,
        again_in=again_in,
    )


def _service_kept(seen: Observation) -> tuple[Body, ...]:
    """What leads to what serves comes back when somebody deletes it."""
    runtime = runtime_of(seen.service, seen.settings)
    if seen.deployment is None or isinstance(runtime, Unusable) or (seen.endpoint is not None and not _is_ours(seen)):
        return ()
    return (children.endpoint(seen.service, runtime),)


def _serving_now(seen: Observation) -> InferenceServiceStatus:
    """What the Deployment that is there serves."""
    if seen.deployment is None:
        return InferenceServiceStatus()
    way = rollout(target_of(seen.deployment), seen.deployment, seen.pods)
    return _shown(seen, way, worst(way.current))


def _shown(seen: Observation, way: Rollout, problem: Problem | None) -> InferenceServiceStatus:
    return shown(way, seen.service.status, problem.message if problem else None, seen.now)


def _going_on(seen: Observation, message: str, status: InferenceServiceStatus | None = None) -> str:
    """The message, and what serves meanwhile."""
    stable = (status or _serving_now(seen)).stable
    if stable is None or not stable.ready:
        return message
    return f"{message}; ModelVersion {stable.version} goes on serving"


def _newest(versions: tuple[ModelVersion, ...]) -> ModelVersion | None:
    return max(versions, key=lambda one: (one.metadata.creation_timestamp, one.metadata.name), default=None)


def _may_serve(version: ModelVersion) -> bool:
    condition = find(version.status.conditions, READY)
    return condition is not None and condition.status == "True"


def _why_not(version: ModelVersion) -> str:
    condition = find(version.status.conditions, READY)
    return condition.message if condition is not None else "it has not been looked at yet"


def _is_ours(seen: Observation) -> bool:
    """By owner; or by label, where somebody has removed the owner."""
    if seen.endpoint is None:
        return False
    metadata = seen.endpoint["metadata"]
    owners = metadata.get("ownerReferences") or []
    named = (metadata.get("labels") or {}).get(label_of(InferenceService.__name__)) == seen.service.metadata.name
    return any(owner["uid"] == seen.service.metadata.uid for owner in owners) or (not owners and named)


def _of_namesake(seen: Observation) -> bool:
    if seen.endpoint is None or _is_ours(seen):
        return False
    return any(
        owner["kind"] == InferenceService.__name__ and owner["name"] == seen.service.metadata.name
        for owner in seen.endpoint["metadata"].get("ownerReferences") or []
    )
