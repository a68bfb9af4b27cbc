"""The version that a release is cut with."""

import tomllib

import yaml

from support.checkout import ROOT


def test_the_distribution_and_the_chart_have_one_version() -> None:
    """The chart's default image tag is its appVersion: another version would pull images that do not exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((ROOT / "helm" / "modelops" / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (project["version"], project["version"])
