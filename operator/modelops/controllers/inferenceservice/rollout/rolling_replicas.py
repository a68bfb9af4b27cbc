"""Number of Pods of each revision in a rolling update: a ready Pod of the candidate replaces a stable one. Pure."""

from collections.abc import Iterable

from modelops.controllers.inferenceservice.revisions.observed import ObservedRevision


def target_replicas(target: ObservedRevision | None, full_size: int) -> int:
    """Return the Pods of the selected revision: one more than are ready, up to `full_size`."""
    if target is None:
        return min(1, full_size)
    return min(full_size, target.ready + 1)


def other_replicas(
    target: ObservedRevision | None, others: Iterable[ObservedRevision], full_size: int
) -> dict[str, int]:
    """Return the Pods that each other revision keeps, by the revision's name.

    Together they keep as many as are missing to `full_size`. The revisions with most ready Pods come first, and none
    gets more Pods than it has.
    """
    missing = max(0, full_size - (target.ready if target is not None else 0))
    kept: dict[str, int] = {}
    for other in sorted(others, key=lambda revision: (-revision.ready, revision.deployment_name)):
        kept[other.name] = min(other.replicas, missing)
        missing -= min(other.ready, kept[other.name])
    return kept
