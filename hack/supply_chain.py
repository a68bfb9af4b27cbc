"""`make audit` and `make sbom`: known vulnerabilities of the locked requirements, and a bill of materials per image."""

import sys
from pathlib import Path

from hack.cluster import places
from hack.cluster.images import OWN
from hack.steps import Step, Steps

_REQUIREMENTS = places.CHECKOUT / "requirements"
_RESULTS = places.CHECKOUT / "build" / "sbom"
_BIN = Path(sys.executable).parent


def main() -> int:
    """Audit, or write bills of materials, as the argument says. Return the exit code."""
    steps = Steps(places.Cluster("dev").logs)
    if sys.argv[1:] == ["audit"]:
        for lock in locks():
            with steps.step(f"Audit of {lock.relative_to(places.CHECKOUT)}") as step:
                audit(step, lock)
        return 0
    if sys.argv[1:] == ["sbom"]:
        with steps.step("Bills of materials") as step:
            written = [write_sbom(step, image.name, _RESULTS) for image in OWN]
            step.note(", ".join(str(file.relative_to(places.CHECKOUT)) for file in written))
        return 0
    print("usage: python -m hack.supply_chain audit|sbom", file=sys.stderr)
    return 2


def locks() -> list[Path]:
    """Return the locked requirements of all images and of development, in order."""
    return sorted([*_REQUIREMENTS.glob("*.txt"), *places.CHECKOUT.glob("hack/*/requirements.txt")])


def audit(step: Step, lock: Path) -> None:
    """Compare locked requirements with the index's database of vulnerabilities.

    Raises StepError for a known vulnerability, and also for a package about which the index tells nothing: what could
    not be audited must not pass. Mirrors of the index often have no such database.
    """
    step.run(_BIN / "pip-audit", "--strict", "--require-hashes", "--disable-pip", "--progress-spinner=off", "-r", lock)
    step.note("no known vulnerability")


def write_sbom(step: Step, image: str, directory: Path) -> Path:
    """Write the bill of materials of an image's Python packages in CycloneDX 1.6, and return the file.

    Each component has its version, its package URL and the SHA-256 of each of its files. The file has neither time nor
    serial number, so that the same lock gives the same bytes.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{image}.cdx.json"
    options = ("--spec-version=1.6", "--output-format=JSON", "--output-reproducible", "--short-PURLs", "--validate")
    project = ("--pyproject", places.CHECKOUT / "pyproject.toml")
    step.run(_BIN / "cyclonedx-py", "requirements", *options, *project, f"-o={file}", _REQUIREMENTS / f"{image}.txt")
    return file


if __name__ == "__main__":
    sys.exit(main())
