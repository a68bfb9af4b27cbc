"""Manifest of the distributed example: the API accepts it, and it fits the script and its image."""

import ast
import re

import yaml

from hack.cluster.images import DISTRIBUTED
from modelops.api.trainingrun import Framework, TrainingRun
from support.checkout import EXAMPLES, ROOT

EXAMPLE = EXAMPLES / "distributed"
WRITTEN = yaml.safe_load((EXAMPLE / "trainingrun.yaml").read_text())
RUN = TrainingRun.model_validate(WRITTEN)
SCRIPT = (EXAMPLE / "train.py").read_text()


def test_every_field_is_a_field_of_the_api() -> None:
    """A misspelt field would be dropped without a word, and the run would have one worker."""
    assert RUN.spec.model_dump(mode="json", by_alias=True, exclude_unset=True) == WRITTEN["spec"]
    assert (RUN.spec.workers.count, RUN.spec.workers.framework) == (2, Framework.JAX)


def test_the_run_starts_the_script_in_the_image() -> None:
    dockerfile = (ROOT / DISTRIBUTED.dockerfile).read_text()
    copied = dict(re.findall(r"^COPY (\S+) (\S+)$", dockerfile, re.MULTILINE))
    assert set(copied) == set(DISTRIBUTED.sources)
    assert RUN.spec.trainer.command[-1] == copied["examples/distributed/train.py"]


def test_the_script_knows_every_parameter() -> None:
    """The script refuses any other parameter."""
    known = next(ast.literal_eval(node) for node in ast.walk(ast.parse(SCRIPT)) if isinstance(node, ast.Set))
    assert set(RUN.spec.parameters) == known
