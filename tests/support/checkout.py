"""Paths of this checkout."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
OPERATOR = ROOT / "operator"
EXAMPLES = ROOT / "examples"
TEST_DATA = ROOT / "tests" / "data"
