"""Bills of materials of the images, and the locks that are audited."""

import json
import re
from pathlib import Path

import pytest

from hack import supply_chain
from hack.cluster import places
from hack.steps import Step

_PINNED = re.compile(r"^([a-z0-9-]+)(?:\[[a-z]+\])?==(\S+)", re.MULTILINE)


@pytest.fixture
def step(tmp_path: Path) -> Step:
    """Step whose log lies in the test's directory."""
    return Step("test", tmp_path / "log")


@pytest.mark.parametrize("image", ["operator", "worker", "monitor", "server"])
def test_a_bill_of_materials_has_every_locked_package_with_its_hashes(step: Step, tmp_path: Path, image: str) -> None:
    bill = json.loads(supply_chain.write_sbom(step, image, tmp_path).read_text())
    locked = set(_PINNED.findall((places.CHECKOUT / "requirements" / f"{image}.txt").read_text()))
    assert {(component["name"], component["version"]) for component in bill["components"]} == locked
    assert all(hashes_of(component) for component in bill["components"])
    assert bill["metadata"]["component"]["name"] == "modelops"


def test_the_same_lock_gives_the_same_bill_of_materials(step: Step, tmp_path: Path) -> None:
    first = supply_chain.write_sbom(step, "monitor", tmp_path / "first").read_bytes()
    assert supply_chain.write_sbom(step, "monitor", tmp_path / "second").read_bytes() == first


def test_every_lock_is_audited() -> None:
    with_hashes = {
        file
        for file in places.CHECKOUT.rglob("*.txt")
        if not file.relative_to(places.CHECKOUT).parts[0].startswith(".") and "--hash=" in file.read_text()
    }
    assert set(supply_chain.locks()) == with_hashes


def hashes_of(component: dict[str, object]) -> set[str]:
    return set(re.findall(r"[0-9a-f]{64}", json.dumps(component["externalReferences"])))
