"""The input key: one digest of everything that decides what a training run makes. Pure."""

from dataclasses import dataclass, field
from typing import Any

from modelops.lineage.digests import canonical_json, json_digest, short

KEY_SCHEMA = 2
"""Part of every key: raised when the key's make-up changes, since keys of different make-up must not be compared."""
_SHOWN = 120


@dataclass(frozen=True)
class Components:
    """What is in a key."""

    datasets: dict[str, str]
    """Channel → snapshot digest."""
    image: str
    command: list[str]
    args: list[str]
    env: list[dict[str, Any]]
    parameters: dict[str, str]
    workers: dict[str, Any] = field(default_factory=dict)
    """How many train together, and how they find each other."""
    sweep: dict[str, Any] = field(default_factory=dict)
    """How the best of several trainings is looked for; empty where there is one."""
    nonce: str = ""
    occurrence: str = ""
    """The time of a schedule whose every time is a training of its own."""
    references: dict[str, str] = field(default_factory=dict)
    """`ConfigMap name` or `Secret name` → a digest of its content."""

    @property
    def key(self) -> str:
        """The key: SHA-256 of the canonical JSON."""
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

    def described(self) -> dict[str, str]:
        """Each component in a short text, so that a later run can say which one changed from what to what."""
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
        texts |= {name: short(digest, 12) for name, digest in self.references.items()}
        return {name: text for name, text in texts.items() if text not in ("", "[]", "{}")}


def difference(before: dict[str, str], after: dict[str, str]) -> str:
    """Which components changed from what to what, as `nonce: none → a`; empty where none did."""
    changed = [
        f"{name}: {_abridged(before.get(name))} → {_abridged(after.get(name))}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    return "; ".join(changed)


def _shown(value: Any) -> str:
    text = canonical_json(value).decode()
    return text if len(text) <= _SHOWN else short(json_digest(value), 12)


def _abridged(text: str | None) -> str:
    if text is None:
        return "none"
    return text[:19] + "…" if text.startswith("sha256:") else text
