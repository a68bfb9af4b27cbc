"""Training scripts written for SageMaker."""

from support.real_cluster import Space, has


def test_a_training_script_for_sagemaker_runs_unchanged(space: Space) -> None:
    """SageMaker's paths, environment variables and hyperparameters are present, and the result is a ModelVersion."""
    for part in range(2):
        rows = "".join(f"{number},{number % 3},{'yes' if number % 2 else 'no'}\n" for number in range(20))
        space.upload(f"data/part-{part}.csv", f"x,y,deny\n{rows}")
    space.apply(space.dataset())
    run = space.run(parameters={"neighbours": "3"})
    run["spec"]["trainer"]["command"] = ["python3", "/opt/ml/code/sagemaker.py"]
    space.apply(run)
    done = space.wait("trainingrun", "train", has("Ready"), within=120)
    version = space.get("modelversion", done["status"]["modelVersion"])
    assert version["spec"]["artifact"]["bytes"] > 0
    assert version["spec"]["origin"]["parameters"] == {"neighbours": "3"}
