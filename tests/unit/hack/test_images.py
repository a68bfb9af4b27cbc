"""Sources of the images: a change of a file that a Dockerfile copies must lead to a new image."""

import re

import pytest

from hack.cluster.images import ALL, DISTRIBUTED, Image
from support.checkout import ROOT

STAGE = re.compile(r"^FROM \S+(?: AS (\S+))?$", re.MULTILINE)
COPY = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)


def copied(image: Image) -> set[str]:
    """Return the paths of the checkout that the image's stage, and its stage of code, copy."""
    _, *parts = STAGE.split((ROOT / image.dockerfile).read_text())
    stages = dict(zip(parts[::2], parts[1::2], strict=True))
    names = [image.target, f"{image.target}-code"] if image.target else list(stages)
    return {path for name in names for paths in COPY.findall(stages[name]) for path in paths.split()}


@pytest.mark.parametrize("image", [*ALL, DISTRIBUTED], ids=lambda image: image.name)
def test_every_copied_path_is_a_source_of_the_image(image: Image) -> None:
    """Otherwise an old image with an old file would be taken for the current one."""
    uncovered = {
        path
        for path in copied(image)
        if not any((ROOT / path).is_relative_to(ROOT / source) for source in image.sources)
    }
    assert copied(image)
    assert not uncovered
