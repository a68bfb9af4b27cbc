"""What data is checked with, as a hash: other checks mean checking the same data again. Pure."""

from modelops.api.dataset import DatasetSpec
from modelops.lineage.digests import json_digest, short


def checks_of(spec: DatasetSpec) -> str:
    """A hash of the format, the schema and the checks."""
    decides = {
        "format": spec.format.wire(),
        "schema": spec.schema_.wire() if spec.schema_ is not None else None,
        "checks": [check.wire() for check in spec.checks],
    }
    return short(json_digest(decides), 16)
