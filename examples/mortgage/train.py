"""Train a model that predicts which mortgage applications are denied, with SageMaker's container contract.

Hyperparameters, all optional:

- `c`: inverse of the regularisation strength of a logistic regression.
- `threshold`: probability from which an application is denied.
- `trees`: number of trees of a random forest, which then replaces the regression.
- `positive`: value of the column `deny` that is predicted.

The model is a pipeline that takes a table with the columns of FEATURES by name. The column `black` is not a feature.
It is written to predictions.csv, so that the outcome can be compared between groups.

The same data and hyperparameters give a model with the same bytes.
"""

import csv
import json
import os
import sys
import traceback
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, precision_score, recall_score, roc_auc_score
from sklearn.model_selection import FixedThresholdClassifier, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["dir", "hir", "lvr", "ccs", "mcs", "uria", "comdominiom"]
ANSWERS = ["pbcr", "dmi", "self", "single"]
FEATURES = NUMBERS + ANSWERS
LABEL, PROTECTED = "deny", "black"
SEED = 20
HELD_OUT = 0.25
DEPTH = 4


def place(variable: str, default: str) -> Path:
    """Return a directory of the contract."""
    return Path(os.environ.get(variable, default))


OUTPUT = place("SM_OUTPUT_DIR", "/opt/ml/output")


@dataclass(frozen=True)
class Hyperparameters:
    """Hyperparameters with their defaults."""

    c: float = 1.0
    threshold: float = 0.5
    trees: int = 0
    positive: str = "yes"


def hyperparameters() -> Hyperparameters:
    """Return the hyperparameters, parsed from strings. Raises ValueError for one that is unknown."""
    file = place("SM_INPUT_CONFIG_DIR", "/opt/ml/input/config") / "hyperparameters.json"
    given = json.loads(file.read_text()) if file.exists() else {}
    known: dict[str, Any] = {field.name: field.type for field in fields(Hyperparameters)}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"unknown hyperparameters: {', '.join(unknown)}; known are {', '.join(known)}")
    return Hyperparameters(**{name: known[name](value) for name, value in given.items()})


def applications() -> pd.DataFrame:
    """Return all rows of all CSV files of the channel `train`. Raises FileNotFoundError if there is none."""
    directory = place("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train")
    files = sorted(directory.rglob("*.csv"))
    if not files:
        raise FileNotFoundError(f"there is no CSV file in {directory}")
    # Without `usecols`, the index without a name that R writes would be a column.
    rows = [pd.read_csv(file, usecols=[*FEATURES, LABEL, PROTECTED], na_values=["NA", ""]) for file in files]
    return pd.concat(rows, ignore_index=True)


def pipeline(given: Hyperparameters) -> Pipeline:
    """Build the pipeline from a table of applications to a decision, 1 for a denial."""
    numbers = Pipeline([("fill", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    answers = Pipeline(
        [
            ("fill", SimpleImputer(missing_values=None, strategy="most_frequent")),
            ("encode", OneHotEncoder(drop="if_binary", handle_unknown="ignore")),
        ]
    )
    columns = ColumnTransformer([("numbers", numbers, NUMBERS), ("answers", answers, ANSWERS)])
    classify = FixedThresholdClassifier(classifier(given), threshold=given.threshold)
    return Pipeline([("columns", columns), ("classify", classify)])


def classifier(given: Hyperparameters) -> LogisticRegression | RandomForestClassifier:
    """Build the classifier: a forest if `trees` is given, otherwise a logistic regression."""
    if given.trees:
        return RandomForestClassifier(given.trees, max_depth=DEPTH, random_state=SEED)
    return LogisticRegression(C=given.c, max_iter=1000, random_state=SEED)


def features(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that the model uses. Missing answers are None, as in a request."""
    table = rows[FEATURES].copy()
    table[NUMBERS] = table[NUMBERS].astype(float)
    table[ANSWERS] = table[ANSWERS].astype(object).where(table[ANSWERS].notna(), None)
    return table


def main() -> None:
    """Train, and write model, metrics and predictions."""
    given = hyperparameters()
    rows = applications()
    denied = (rows[LABEL] == given.positive).astype(int)
    learn, test = train_test_split(rows.index, test_size=HELD_OUT, random_state=SEED, stratify=rows[LABEL])
    OUTPUT.mkdir(parents=True, exist_ok=True)

    # Learning curve: the held-out score by the amount of data, one line for each step. A forest, which takes long, is
    # trained once, with all data.
    with (OUTPUT / "metrics.jsonl").open("w") as steps:
        for step, share in enumerate((1.0,) if given.trees else (0.25, 0.5, 0.75, 1.0), start=1):
            some = learn[: int(len(learn) * share)]
            model = pipeline(given).fit(features(rows.loc[some]), denied[some])
            probability = model.predict_proba(features(rows.loc[test]))[:, 1]
            line = {"step": step, "rows": len(some), "roc_auc": float(roc_auc_score(denied[test], probability))}
            print(json.dumps(line), file=steps, flush=True)

    prediction = model.predict(features(rows.loc[test]))
    truth = denied[test]
    black = rows.loc[test, PROTECTED] == "yes"
    metrics = {
        "accuracy": accuracy_score(truth, prediction),
        "roc_auc": roc_auc_score(truth, probability),
        "log_loss": log_loss(truth, probability),
        "precision": precision_score(truth, prediction, zero_division=0),
        "recall": recall_score(truth, prediction, zero_division=0),
        "approval_ratio": float((1 - prediction[black]).mean() / (1 - prediction[~black]).mean()),
        "rows": len(rows),
    }
    metrics = {name: round(float(value), 6) for name, value in metrics.items()}

    model_dir = place("SM_MODEL_DIR", "/opt/ml/model")
    model_dir.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, model_dir / "model.joblib", protocol=5)
    with (OUTPUT / "predictions.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["label", "prediction", PROTECTED])
        out.writerows(zip(truth, prediction, rows.loc[test, PROTECTED], strict=True))
    (OUTPUT / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(json.dumps(metrics), flush=True)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        # By the contract, the content of this file is the reason of the failure.
        OUTPUT.mkdir(parents=True, exist_ok=True)
        (OUTPUT / "failure").write_text(f"{type(error).__name__}: {error}")
        traceback.print_exc()
        sys.exit(1)
