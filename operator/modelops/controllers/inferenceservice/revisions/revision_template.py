"""Pod template of a revision, and the version that its Pods serve. Pure."""

from dataclasses import dataclass
from typing import Self

from modelops.controllers.inferenceservice.pod.template import Serving, serving_of
from modelops.machinery.resources import Body


@dataclass(frozen=True)
class RevisionTemplate:
    """A Pod template, and the version that its Pods serve, read from the template once."""

    body: Body
    serving: Serving

    @classmethod
    def of(cls, body: Body) -> Self:
        """Read what the Pods of a template serve."""
        return cls(body, serving_of(body))

    @property
    def revision(self) -> str:
        """Name of the revision: a hash of the template."""
        return self.serving.revision
