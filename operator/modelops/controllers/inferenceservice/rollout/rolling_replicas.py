"""Replacing a version Pod by Pod: as many of the old ones go as there are new ones that answer. Pure."""

from collections.abc import Iterable

from modelops.controllers.inferenceservice.revisions.observed import Member


def target_replicas(target: Member | None, full: int) -> int:
    """How many Pods the revision that shall serve gets now: one more than answer, up to `full`. A Pod that it has but
    that does not answer yet is that one.
    """
    if target is None:
        return min(1, full)
    return min(full, target.ready + 1)


def other_replicas(target: Member | None, others: Iterable[Member], full: int) -> dict[str, int]:
    """How many Pods each of the others keeps, by its name: together as many as are missing to `full`, and first those
    of whom most answer. None of them gets more than it has.
    """
    missing = max(0, full - (target.ready if target is not None else 0))
    kept: dict[str, int] = {}
    for one in sorted(others, key=lambda other: (-other.ready, other.name)):
        kept[one.name] = min(one.replicas, missing)
        missing -= min(one.ready, kept[one.name])
    return kept
