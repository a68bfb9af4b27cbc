"""Select the version that an InferenceService serves next. Pure."""

from dataclasses import dataclass

from modelops.api.inferenceservice import InferenceService
from modelops.api.modelversion import ModelVersion
from modelops.controllers.inferenceservice.pod.model_server import Misconfiguration, runtime_of
from modelops.controllers.inferenceservice.pod.template import template
from modelops.controllers.inferenceservice.pod.validation import validate
from modelops.controllers.inferenceservice.revisions.revision_template import RevisionTemplate
from modelops.machinery.conditions import READY, find
from modelops.machinery.settings import Settings


@dataclass(frozen=True)
class NotServable:
    """Why no new version can serve, and whether a person must act before that changes."""

    reason: str
    message: str
    stalled: bool = False


def select_template(
    service: InferenceService, settings: Settings, versions: tuple[ModelVersion, ...]
) -> RevisionTemplate | NotServable:
    """Return the Pod template of the selected version, or why no version can serve.

    `versions` are all of the model, or the pinned one.
    """
    runtime = runtime_of(service, settings)
    if isinstance(runtime, Misconfiguration):
        return NotServable(runtime.reason, runtime.message, stalled=True)
    version = _selected(service, versions)
    if isinstance(version, NotServable):
        return version
    misconfiguration = validate(service, settings, version)
    if misconfiguration is not None:
        return NotServable(misconfiguration.reason, misconfiguration.message, stalled=True)
    return RevisionTemplate.of(template(service, version, settings))


def _selected(service: InferenceService, versions: tuple[ModelVersion, ...]) -> ModelVersion | NotServable:
    model = service.spec.model
    if model.version is None:
        return _newest_ready(model.name or "", versions)
    if not versions:
        return NotServable("ModelVersionNotFound", f"there is no ModelVersion {model.version}")
    version = versions[0]
    if not _is_ready(version):
        # Gates fail closed: not even a pinned version serves unless it is Ready.
        return NotServable("ModelVersionNotReady", f"ModelVersion {model.version} may not serve: {_why_not(version)}")
    return version


def _newest_ready(model: str, versions: tuple[ModelVersion, ...]) -> ModelVersion | NotServable:
    if not versions:
        return NotServable("NoReadyVersion", f"there is no ModelVersion of model {model}")
    ready = [version for version in versions if _is_ready(version)]
    if ready:
        return max(ready, key=_age)
    newest = max(versions, key=_age)
    return NotServable(
        "NoReadyVersion",
        f"none of the {len(versions)} ModelVersions of model {model} may serve; the newest, {newest.metadata.name}: "
        f"{_why_not(newest)}",
    )


def _age(version: ModelVersion) -> tuple[str, str]:
    return version.metadata.creation_timestamp, version.metadata.name


def _is_ready(version: ModelVersion) -> bool:
    condition = find(version.status.conditions, READY)
    return condition is not None and condition.status == "True"


def _why_not(version: ModelVersion) -> str:
    condition = find(version.status.conditions, READY)
    return condition.message if condition is not None else "the operator has not evaluated it yet"
