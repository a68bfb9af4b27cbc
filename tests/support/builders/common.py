"""Build the parts that objects of every kind share: times, digests, metadata, settings."""

from datetime import UTC, datetime, timedelta
from typing import Any

from modelops.machinery.conditions import format_timestamp
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings

NOW = datetime(2026, 11, 5, 12, 0, 0, tzinfo=UTC)
NAMESPACE = "team-a"


def digest(letter: str) -> str:
    """Build a digest that repeats a hex digit."""
    return "sha256:" + letter * 64


def ago(**length: float) -> str:
    """Return the timestamp of a moment before NOW; the arguments are those of timedelta."""
    return format_timestamp(NOW - timedelta(**length))


def settings(**changes: Any) -> Settings:
    """Build the settings of the operator."""
    given = {
        "images": {"worker": "worker:1", "monitor": "monitor:1"},
        "store": {"url": "s3://store/ml", "endpoint": "http://s3:8333", "secretName": "store"},
        "runtimes": {
            "sklearn": {
                "image": "server:1",
                "args": ["--model-dir={model_dir}", "--model-name={model_name}", "--http-port={http_port}"],
                "formats": ["sklearn"],
            }
        },
    }
    return Settings.model_validate(given | changes)


def metadata(name: str, **more: Any) -> Body:
    """Build the metadata of an object."""
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-of-{name}",
        "generation": 1,
        "resourceVersion": "1",
        **more,
    }
