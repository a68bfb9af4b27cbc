"""Training script in the style of SageMaker's documentation, independent of the platform that runs the script.

Hyperparameters are arguments, or come from /opt/ml/input/config/hyperparameters.json. There, a value is a string, or a
JSON string within a string; both occur in practice.
"""

import argparse
import json
import os
import pickle
import random
import sys
from pathlib import Path

PREFIX = Path("/opt/ml")


def parse(words: list[str]) -> argparse.Namespace:
    """Parse hyperparameters and directories; a hyperparameter of the file is the default of its argument."""
    given = json.loads((PREFIX / "input/config/hyperparameters.json").read_text() or "{}")
    parser = argparse.ArgumentParser()
    parser.add_argument("--neighbours", type=int, default=int(given.get("neighbours", 5)))
    parser.add_argument("--label", default=str(given.get("label", "deny")).strip('"'))
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    parser.add_argument("--output-data-dir", default=os.environ["SM_OUTPUT_DATA_DIR"])
    return parser.parse_known_args(words)[0]


def check_contract() -> None:
    """Check the environment that SageMaker guarantees to a container. Raises AssertionError."""
    assert json.loads(os.environ["SM_CHANNELS"]) == ["train"], os.environ["SM_CHANNELS"]
    assert os.environ["SM_CURRENT_HOST"] in json.loads(os.environ["SM_HOSTS"])
    assert int(os.environ["SM_NUM_CPUS"]) >= 1
    assert int(os.environ["SM_NUM_GPUS"]) == 0
    assert isinstance(json.loads(os.environ["SM_HPS"]), dict)
    assert os.environ["TRAINING_JOB_NAME"]
    resources = json.loads((PREFIX / "input/config/resourceconfig.json").read_text())
    assert resources["current_host"] == os.environ["SM_CURRENT_HOST"], resources
    assert "train" in json.loads((PREFIX / "input/config/inputdataconfig.json").read_text())


def main() -> None:
    """Train a classifier, and write the model and a report."""
    arguments = parse(sys.argv[1:])
    check_contract()

    import pandas as pd
    from sklearn.neighbors import KNeighborsClassifier

    files = sorted(Path(arguments.train).rglob("*.csv"))
    table = pd.concat([pd.read_csv(file) for file in files])
    random.seed(0)
    table = table.sample(frac=1, random_state=0)
    numbers = (
        table.drop(columns=[arguments.label]).select_dtypes("number").drop(columns=["Unnamed: 0"], errors="ignore")
    )
    split = len(table) * 4 // 5
    model = KNeighborsClassifier(n_neighbors=arguments.neighbours)
    model.fit(numbers[:split], table[arguments.label][:split])
    score = model.score(numbers[split:], table[arguments.label][split:])
    print(f"validation-accuracy={score:.4f}")

    with open(Path(arguments.model_dir) / "model.pkl", "wb") as file:
        pickle.dump(model, file)
    Path(arguments.output_data_dir).mkdir(parents=True, exist_ok=True)
    (Path(arguments.output_data_dir) / "report.json").write_text(json.dumps({"accuracy": score}))


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        (PREFIX / "output/failure").write_text(repr(error))
        raise
