"""Build TrainingRuns."""

from typing import Any

from modelops.api.trainingrun import TrainingRun
from modelops.machinery.resources import Body
from support.builders.common import metadata

PINNED = "registry.example/train@sha256:" + "a" * 64


def training_run(
    name: str = "train",
    status: Body | None = None,
    generation: int = 1,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> TrainingRun:
    """A TrainingRun on one Dataset with a pinned image."""
    given: Body = {
        "datasets": [{"name": "train", "ref": {"name": "mortgage"}}],
        "parameters": {"max_depth": "4"},
        "trainer": {"image": PINNED, "command": ["python", "train.py"]},
        "output": {"model": "mortgage", "format": "sklearn"},
    }
    meta = metadata(name, generation=generation, annotations=annotations or {})
    body = {"metadata": meta, "spec": given | spec, "status": status or {}}
    return TrainingRun.model_validate(body)
