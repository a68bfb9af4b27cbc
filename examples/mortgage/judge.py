"""Ask a candidate for applications whose outcome is known, and judge it by its answers: a check of a rollout.

Exit code 0: enough of them are right. 1: too few are. 2: it could not be judged.

The applications are those that models learn from, so that this tells whether a model was learned rightly, not how good
it is: for that there are the gates.
"""

import argparse
import csv
import json
import os
import sys
import traceback
import urllib.request
from pathlib import Path

NUMBERS = ["dir", "hir", "lvr", "ccs", "mcs", "uria", "comdominiom"]
ANSWERS = ["pbcr", "dmi", "self", "single"]
LABEL = "deny"
EVERY = 8
TIMEOUT_SECONDS = 30
PASSED, FAILED, NOT_JUDGED = 0, 1, 2


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="approval", help="the model's name")
    parser.add_argument("--accuracy", type=float, default=0.8, help="the least share of right answers")
    parser.add_argument("--data", type=Path, default=Path(__file__).with_name("applications.csv"))
    parser.add_argument("--message", type=Path, help="where to write the verdict, besides standard output")
    return parser.parse_args()


def applications(file: Path) -> list[dict[str, str]]:
    """Some of them, from all parts of the file, that lack nothing."""
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))[::EVERY]
    return [row for row in rows if not {"", "NA"} & {row[name] for name in (*NUMBERS, *ANSWERS)}]


def answers(url: str, model: str, rows: list[dict[str, str]]) -> list[int]:
    """1 for each application that would be denied, else 0: one request over the Open Inference Protocol."""
    shape = [len(rows)]
    inputs = [
        *(column(name, "FP64", shape, [float(row[name]) for row in rows]) for name in NUMBERS),
        *(column(name, "BYTES", shape, [row[name] for row in rows]) for name in ANSWERS),
    ]
    body = json.dumps({"inputs": inputs}).encode()
    asked = urllib.request.Request(f"{url}/v2/models/{model}/infer", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS) as answer:
        outputs = {one["name"]: one["data"] for one in json.load(answer)["outputs"]}
    return [int(one) for one in outputs["predict"]]


def column(name: str, datatype: str, shape: list[int], data: list) -> dict:
    """An input."""
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def main() -> int:
    given = arguments()
    rows = applications(given.data)
    found = answers(os.environ["MODELOPS_CANDIDATE_URL"], given.model, rows)
    right = sum(answer == (row[LABEL] == "yes") for answer, row in zip(found, rows, strict=True))
    accuracy = right / len(rows)
    verdict = f"accuracy {accuracy:.3f}: {right} of {len(rows)} answers are right"
    if accuracy < given.accuracy:
        verdict += f", at least {given.accuracy:g} must be"
    print(verdict, flush=True)
    if given.message:
        given.message.write_text(verdict)
    return PASSED if accuracy >= given.accuracy else FAILED


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception:
        # An exit code of 1, which Python would have, is a verdict.
        traceback.print_exc()
        sys.exit(NOT_JUDGED)
