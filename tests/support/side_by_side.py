"""Order and phases of tests in the parallel processes of pytest-xdist.

Tests of the cluster wait most of the time, the other tests compute. Half of the latter run first, while the cluster is
set up. After that both alternate, so that neither the processor nor the cluster idles. Tests of the cluster that are
marked `takes_minutes` come first. A test that ends the operator's
Pods would delay other tests: tests marked `ends_the_operator` run after all other tests of the cluster, in parallel.
Tests marked `alone` run last, one after the other.
"""

import hashlib
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

_RUN_VARIABLE = "MODELOPS_TEST_RUN"
_LONGEST_TURN_SECONDS = 30 * 60.0
_expected: dict["Phase", int] = {}


class Phase(IntEnum):
    """Phase in which a test runs. A phase begins once all tests of earlier phases have ended."""

    CALM = 0
    ENDS_THE_OPERATOR = 1
    ALONE = 2


def begin(config: pytest.Config) -> None:
    """Create the directory in which the processes of one run record ended tests. Called in each process."""
    if not hasattr(config, "workerinput"):
        directory = tempfile.TemporaryDirectory(prefix="modelops-tests-")
        config.add_cleanup(directory.cleanup)
        os.environ[_RUN_VARIABLE] = directory.name


def is_whole_run(config: pytest.Config) -> bool:
    """Return whether all tests run, as under `make test`, and not a selection of them."""
    selected = config.option.keyword or config.option.markexpr or config.option.deselect
    return not selected and {*config.args} <= {*config.getini("testpaths")}


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Scheduling that runs the tests of one group in one process, in the order of `in_order`.

    Tests of one group stay together and run in one process. A module is a group if its tests share a module-scoped
    fixture or need no cluster. Every other test is a group of its own. The groups are read from the file that every
    process has written: xdist's own `loadgroup` appends a group to the test's id, which pytest 9.2 no longer allows.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False  # By default the largest groups come first, before their phase.
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return str(_written_groups()[nodeid])


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Order the tests by phase, and let tests of the cluster alternate with computing tests. Write their groups."""
    of_cluster: dict[Phase, dict[str, list[pytest.Item]]] = {phase: defaultdict(list) for phase in Phase}
    computing: dict[str, list[pytest.Item]] = defaultdict(list)
    groups: dict[str, str] = {}
    for item in items:
        phase, name = phase_of(item), group_of(item)
        (of_cluster[phase] if _needs_cluster(item) else computing)[name].append(item)
        # By phase: a test that waits for a phase must not hold up tests of that phase in its own process.
        groups[item.nodeid] = f"{phase.name} {name}"
    if (worker := os.environ.get("PYTEST_XDIST_WORKER")) is not None:
        unfinished = _groups_file().with_suffix(f".{worker}")
        unfinished.write_text(json.dumps(groups))
        unfinished.rename(_groups_file())
    _expected.update({phase: sum(map(len, groups.values())) for phase, groups in of_cluster.items()})
    # A long test that began last would keep all other processes waiting.
    calm = sorted(of_cluster[Phase.CALM].values(), key=_is_short)
    last = [group for phase in (Phase.ENDS_THE_OPERATOR, Phase.ALONE) for group in of_cluster[phase].values()]
    # The cluster is being set up at first: a process that comes to a test of the cluster waits.
    half = len(computing) // 2
    first, rest = list(computing.values())[:half], list(computing.values())[half:]
    return [item for group in (*first, *_alternating(calm, rest), *last) for item in group]


@contextmanager
def turn(item: pytest.Item) -> Iterator[None]:
    """Wait for the phase of a test before the block, and record the end of the test after the block."""
    if os.environ.get("PYTEST_XDIST_WORKER") is None or not _needs_cluster(item):
        yield
        return
    phase = phase_of(item)
    _wait_for_phases_before(phase)
    try:
        yield
    finally:
        (_ended(phase) / hashlib.sha256(item.nodeid.encode()).hexdigest()).touch()


def phase_of(item: pytest.Item) -> Phase:
    """Return the phase of a test of the cluster, by its markers."""
    if item.get_closest_marker("alone") is not None:
        return Phase.ALONE
    return Phase.ENDS_THE_OPERATOR if item.get_closest_marker("ends_the_operator") is not None else Phase.CALM


def group_of(item: pytest.Item) -> str:
    """Return the name of the group whose tests run in one process, one after the other."""
    marker = item.get_closest_marker("xdist_group")
    if marker is not None:
        return str(marker.args[0])
    if not _needs_cluster(item) or _shares_a_fixture(item):
        return item.nodeid.partition("::")[0]
    return item.nodeid


def _is_short(group: Sequence[pytest.Item]) -> bool:
    return all(item.get_closest_marker("takes_minutes") is None for item in group)


def _needs_cluster(item: pytest.Item) -> bool:
    return "cluster" in getattr(item, "fixturenames", ())


def _shares_a_fixture(item: pytest.Item) -> bool:
    info = getattr(item, "_fixtureinfo", None)
    definitions = info.name2fixturedefs.items() if info is not None else ()
    return any(fixtures[-1].scope == "module" or name == "api" for name, fixtures in definitions)


def _alternating(calm: list[list[pytest.Item]], computing: list[list[pytest.Item]]) -> Iterator[list[pytest.Item]]:
    """Spread the computing groups evenly among the groups of the cluster, after each of them."""
    each, more = divmod(len(computing), max(len(calm), 1))
    rest = iter(computing)
    for number, group in enumerate(calm):
        yield group
        for _ in range(each + (number < more)):
            yield next(rest)
    yield from rest


def _wait_for_phases_before(phase: Phase) -> None:
    deadline = time.monotonic() + _LONGEST_TURN_SECONDS
    for before in Phase:
        while before < phase and len(list(_ended(before).iterdir())) < _expected[before]:
            assert time.monotonic() < deadline, f"tests of phase {before.name} have not ended"
            time.sleep(0.2)


def _groups_file() -> Path:
    return Path(os.environ[_RUN_VARIABLE]) / "groups.json"


@cache
def _written_groups() -> dict[str, str]:
    groups: dict[str, str] = json.loads(_groups_file().read_text())
    return groups


def _ended(phase: Phase) -> Path:
    directory = Path(os.environ[_RUN_VARIABLE]) / phase.name
    directory.mkdir(exist_ok=True)
    return directory
