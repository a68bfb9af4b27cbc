"""Which version an InferenceService wants to serve, and whether it may and can. Pure."""

from dataclasses import dataclass

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.pod.model_server import Misconfiguration, runtime_of
from modelops.controllers.inferenceservice.pod.template import template
from modelops.controllers.inferenceservice.pod.validation import validate
from modelops.machinery.conditions import READY, find
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings


@dataclass(frozen=True)
class Refusal:
    """Why nothing new can be served, and whether a person must act before that changes."""

    reason: str
    message: str
    stalled: bool = False


def wanted(service: InferenceService, settings: Settings, versions: tuple[ModelVersion, ...]) -> Body | Refusal:
    """The Pod template of the version that shall serve, or why there is none."""
    runtime = runtime_of(service, settings)
    if isinstance(runtime, Misconfiguration):
        return Refusal(runtime.reason, runtime.message, stalled=True)
    version = _chosen(service, versions)
    if isinstance(version, Refusal):
        return version
    wrong = validate(service, settings, version)
    if wrong is not None:
        return Refusal(wrong.reason, wrong.message, stalled=True)
    return template(service, version, settings)


def _chosen(service: InferenceService, versions: tuple[ModelVersion, ...]) -> ModelVersion | Refusal:
    model = service.spec.model
    if model.version is None:
        return _newest_ready(model.name or "", versions)
    if not versions:
        return Refusal("ModelVersionNotFound", f"there is no ModelVersion {model.version}")
    version = versions[0]
    if not _may_serve(version):
        # Gates fail closed: a version that may not serve does not, whoever names it.
        return Refusal("ModelVersionNotReady", f"ModelVersion {model.version} may not serve: {_why_not(version)}")
    return version


def _newest_ready(model: str, versions: tuple[ModelVersion, ...]) -> ModelVersion | Refusal:
    if not versions:
        return Refusal("NoReadyVersion", f"there is no ModelVersion of model {model}")
    ready = [version for version in versions if _may_serve(version)]
    if ready:
        return max(ready, key=_age)
    newest = max(versions, key=_age)
    return Refusal(
        "NoReadyVersion",
        f"none of the {len(versions)} ModelVersions of model {model} may serve; the newest, {newest.metadata.name}: "
        f"{_why_not(newest)}",
    )


def _age(version: ModelVersion) -> tuple[str, str]:
    return version.metadata.creation_timestamp, version.metadata.name


def _may_serve(version: ModelVersion) -> bool:
    condition = find(version.status.conditions, READY)
    return condition is not None and condition.status == "True"


def _why_not(version: ModelVersion) -> str:
    condition = find(version.status.conditions, READY)
    return condition.message if condition is not None else "it has not been looked at yet"
