"""Check a candidate of a rollout by its answers to applications whose outcome is known.

Exit codes: 0 if enough answers are right, 1 if too few answers are right, 2 if the check could not be made.

The applications are part of the training data, so the check finds a model that was trained wrongly. The quality of a
model is the concern of the gates.
"""

import argparse
import csv
import json
import os
import sys
import traceback
import urllib.request
from pathlib import Path
from typing import Any

NUMBERS = ["dir", "hir", "lvr", "ccs", "mcs", "uria", "comdominiom"]
ANSWERS = ["pbcr", "dmi", "self", "single"]
LABEL = "deny"
EVERY = 8
TIMEOUT_SECONDS = 30
PASSED, FAILED, ERROR = 0, 1, 2


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="approval", help="the model's name")
    parser.add_argument("--accuracy", type=float, default=0.8, help="the lowest accuracy that passes, from 0 to 1")
    parser.add_argument("--data", type=Path, default=Path(__file__).with_name("applications.csv"))
    parser.add_argument("--message", type=Path, help="a file to write the result to, besides standard output")
    return parser.parse_args()


def applications(file: Path) -> list[dict[str, str]]:
    """Return every eighth application of a file, without rows that lack a value."""
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))[::EVERY]
    return [row for row in rows if not {"", "NA"} & {row[name] for name in (*NUMBERS, *ANSWERS)}]


def answers(url: str, model: str, rows: list[dict[str, str]]) -> list[int]:
    """Send the applications in one request over the Open Inference Protocol v2. Return 1 for each denial, else 0."""
    shape = [len(rows)]
    inputs = [
        *(column(name, "FP64", shape, [float(row[name]) for row in rows]) for name in NUMBERS),
        *(column(name, "BYTES", shape, [row[name] for row in rows]) for name in ANSWERS),
    ]
    body = json.dumps({"inputs": inputs}).encode()
    request = urllib.request.Request(f"{url}/v2/models/{model}/infer", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        outputs = {output["name"]: output["data"] for output in json.load(answer)["outputs"]}
    return [int(value) for value in outputs["predict"]]


def column(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    """Build an input of a request: one column of the table."""
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def main() -> int:
    """Run the check. Return the exit code."""
    given = arguments()
    rows = applications(given.data)
    predictions = answers(os.environ["MODELOPS_CANDIDATE_URL"], given.model, rows)
    right = sum(answer == (row[LABEL] == "yes") for answer, row in zip(predictions, rows, strict=True))
    accuracy = right / len(rows)
    message = f"accuracy {accuracy:.3f} ({right} of {len(rows)} answers are right)"
    if accuracy < given.accuracy:
        message += f", must be at least {given.accuracy:g}"
    print(message, flush=True)
    if given.message:
        given.message.write_text(message)
    return PASSED if accuracy >= given.accuracy else FAILED


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception:
        # Python would exit with 1, which means that the candidate has failed the check.
        traceback.print_exc()
        sys.exit(ERROR)
