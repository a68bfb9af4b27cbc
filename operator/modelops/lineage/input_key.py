"""Input key: one digest of everything that determines the result of a training run. Pure."""

from dataclasses import dataclass, field
from typing import Any

from modelops.lineage.digests import PREFIX, canonical_json, json_digest, short

KEY_SCHEMA = 2
"""Part of every key. Raise it when the composition of the key changes: older keys then never match."""
UNKNOWN_VERSION = "unknown version"
"""Component for a Secret that the operator may not look at."""
_TEXT_LIMIT = 120


@dataclass(frozen=True)
class Components:
    """Components of an input key."""

    datasets: dict[str, str]
    """Channel → digest of the snapshot."""
    image: str
    command: list[str]
    args: list[str]
    env: list[dict[str, Any]]
    parameters: dict[str, str]
    workers: dict[str, Any] = field(default_factory=dict)
    """Number of workers, and how they find each other; empty for a single one."""
    sweep: dict[str, Any] = field(default_factory=dict)
    """Fields of the sweep that change its result; empty without a sweep."""
    nonce: str = ""
    occurrence: str = ""
    """Time of the schedule, if each of its times is a training of its own."""
    references: dict[str, str] = field(default_factory=dict)
    """`ConfigMap name` → digest of the keys in use. `Secret name` → its UID and resourceVersion, or UNKNOWN_VERSION.

    Never a hash of a Secret's content: the key is in statuses and labels, and short values could be guessed from it."""

    @property
    def key(self) -> str:
        """Input key: SHA-256 of the canonical JSON of all components."""
        return json_digest(
            {
                "schema": KEY_SCHEMA,
                "datasets": self.datasets,
                "image": self.image,
                "command": self.command,
                "args": self.args,
                "env": self.env,
                "parameters": self.parameters,
                "workers": self.workers,
                "sweep": self.sweep,
                "nonce": self.nonce,
                "occurrence": self.occurrence,
                "references": self.references,
            }
        )

    def describe(self) -> dict[str, str]:
        """Return each component that is set as a short text, by name.

        A later run compares these texts to name the components that changed.
        """
        texts = {
            "image": self.image,
            "command": _shown(self.command),
            "args": _shown(self.args),
            "env": _shown(self.env),
            "parameters": _shown(self.parameters),
            "workers": _shown(self.workers),
            "sweep": _shown(self.sweep),
            "nonce": self.nonce,
            "occurrence": self.occurrence,
        }
        texts |= {f"dataset {name}": digest for name, digest in self.datasets.items()}
        texts |= {name: short(text, 12) if text.startswith(PREFIX) else text for name, text in self.references.items()}
        return {name: text for name, text in texts.items() if text not in ("", "[]", "{}")}


def difference(before: dict[str, str], after: dict[str, str]) -> str:
    """Return the changed components, such as `nonce: none → a; workers: …`, or an empty text."""
    changed = [
        f"{name}: {_abridged(before.get(name))} → {_abridged(after.get(name))}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    return "; ".join(changed)


def _shown(value: Any) -> str:
    text = canonical_json(value).decode()
    return text if len(text) <= _TEXT_LIMIT else short(json_digest(value), 12)


def _abridged(text: str | None) -> str:
    if text is None:
        return "none"
    return text[:19] + "…" if text.startswith("sha256:") else text
