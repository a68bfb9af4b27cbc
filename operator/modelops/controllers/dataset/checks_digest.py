"""Hash of what data is checked with: if the hash changes, the same data is checked again. Pure."""

from modelops.api.dataset import DatasetSpec
from modelops.lineage.digests import json_digest, short


def checks_of(spec: DatasetSpec) -> str:
    """Return a hash of the spec's format, schema and checks, 16 hex digits long."""
    checked_with = {
        "format": spec.format.wire(),
        "schema": spec.schema_.wire() if spec.schema_ is not None else None,
        "checks": [check.wire() for check in spec.checks],
    }
    return short(json_digest(checked_with), 16)
