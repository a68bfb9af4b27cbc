"""Manifests that pages show."""

from pathlib import Path

import pytest
import yaml

from modelops.api.dataset import Dataset
from modelops.api.inferenceservice import InferenceService
from modelops.api.kinds import Kind
from modelops.api.modelversion import ModelVersion
from modelops.api.trainingrun import TrainingRun
from support.checkout import ROOT
from support.pages import PAGES, blocks, page_name

EXAMPLES = ROOT / "examples" / "mortgage" / "manifests"
KINDS: dict[str, type[Kind]] = {kind.__name__: kind for kind in (Dataset, TrainingRun, ModelVersion, InferenceService)}


def test_the_quickstart_shows_every_manifest_of_the_example_as_it_is() -> None:
    """A reader who copies from the quickstart gets the manifests that `make demo` applies."""
    shown = blocks((ROOT / "docs" / "quickstart.md").read_text(), "yaml")
    assert sorted(shown) == sorted(file.read_text() for file in EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_whole_manifest_of_a_page_is_valid(page: Path) -> None:
    """The API server accepts the fields of every manifest that a reader may copy."""
    for block in blocks(page.read_text(), "yaml"):
        for document in yaml.safe_load_all(block):
            if isinstance(document, dict) and document.get("apiVersion") == "modelops.dev/v1alpha1":
                uid = {"namespace": "default", "uid": "0", "generation": 1, **document["metadata"]}
                KINDS[document["kind"]].model_validate({**document, "metadata": uid})


def test_the_readme_is_short_and_has_one_manifest() -> None:
    """A newcomer reads one page, and finds the rest in docs."""
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 120
    assert len(blocks(text, "yaml")) == 1
