"""Build what objects of every kind have in common: names, times, digests, metadata, settings."""

from datetime import UTC, datetime, timedelta
from typing import Any

from modelops.machinery.conditions import format_timestamp
from modelops.machinery.resources import Body
from modelops.machinery.settings import Settings

NOW = datetime(2026, 11, 5, 12, 0, 0, tzinfo=UTC)


NAMESPACE = "team-a"


def digest(letter: str) -> str:
    """A digest that is told apart by one hex digit."""
    return "sha256:" + letter * 64


def ago(**length: float) -> str:
    """A timestamp that lies back by so much."""
    return format_timestamp(NOW - timedelta(**length))


def settings(**changes: Any) -> Settings:
    """The operator's settings."""
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
    """An object's metadata."""
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-of-{name}",
        "generation": 1,
        "resourceVersion": "1",
        **more,
    }
