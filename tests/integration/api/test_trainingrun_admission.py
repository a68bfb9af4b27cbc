"""The API server rejects each mistake in a TrainingRun, by one sentence that names the field."""

import pytest

from support.cluster.admission import ABSENT, DEPTH, KERNEL, KEY, RATE, TRAIN_CHANNEL, Mistake, assert_rejected, sweep
from support.cluster.api_server import ApiServer

MISTAKES = [
    Mistake("trainer is required", {"trainer": ABSENT}, says=["spec.trainer: Required value"]),
    Mistake("an image is required", {"trainer.image": ABSENT}, says=["spec.trainer.image: Required value"]),
    Mistake("an image must not be empty", {"trainer.image": ""}, says=["spec.trainer.image"]),
    Mistake(
        "an image must not have a space", {"trainer.image": "trainer :1"}, says=["spec.trainer.image", "should match"]
    ),
    Mistake("a command is required", {"trainer.command": ABSENT}, says=["spec.trainer.command: Required value"]),
    Mistake("a command must not be empty", {"trainer.command": []}, says=["spec.trainer.command", "at least 1 items"]),
    Mistake(
        "a command must be a list",
        {"trainer.command": "python train.py"},
        says=["spec.trainer.command", "of type array"],
    ),
    Mistake(
        "a trainer must have at most 64 arguments", {"trainer.args": ["a"] * 65}, says=["spec.trainer.args: Too many"]
    ),
    Mistake(
        "an argument must have at most 8192 characters",
        {"trainer.args": ["a" * 8193]},
        says=["spec.trainer.args[0]: Too long"],
    ),
    Mistake(
        "variables must not be long together",
        {"trainer.env": [{"name": f"A{number}", "value": "x" * 32_000} for number in range(5)]},
        says=["spec.trainer.env", "the values must have at most 131072 characters together"],
    ),
    Mistake(
        "a variable must not be set twice",
        {"trainer.env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
        says=["spec.trainer.env[1]: Duplicate value"],
    ),
    Mistake(
        "a variable's name must not begin with a digit",
        {"trainer.env": [{"name": "1A", "value": "1"}]},
        says=["spec.trainer.env[0].name", "should match"],
    ),
    Mistake(
        "a variable must not set both value and valueFrom",
        {"trainer.env": [{"name": "A", "value": "1", "valueFrom": {"secretKeyRef": KEY}}]},
        says=["spec.trainer.env[0]", "set value or valueFrom, not both"],
    ),
    Mistake(
        "a variable must not have two sources",
        {"trainer.env": [{"name": "A", "valueFrom": {"secretKeyRef": KEY, "configMapKeyRef": KEY}}]},
        says=["spec.trainer.env[0].valueFrom", "set exactly one of configMapKeyRef and secretKeyRef"],
    ),
    Mistake(
        "a variable's valueFrom must set a source",
        {"trainer.env": [{"name": "A", "valueFrom": {}}]},
        says=["spec.trainer.env[0].valueFrom", "set exactly one of configMapKeyRef and secretKeyRef"],
    ),
    Mistake(
        "a reference to a ConfigMap must name a key",
        {"trainer.env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "a"}}}]},
        says=["spec.trainer.env[0].valueFrom.configMapKeyRef.key: Required value"],
    ),
    Mistake(
        "a channel must not be listed twice",
        {"datasets": [TRAIN_CHANNEL] * 2},
        says=["spec.datasets[1]: Duplicate value"],
    ),
    Mistake(
        "a channel's name must not have a slash",
        {"datasets": [{"name": "a/b", "ref": {"name": "data"}}]},
        says=["spec.datasets[0].name", "should match"],
    ),
    Mistake(
        "a channel's name must have at most 63 characters",
        {"datasets": [{"name": "a" * 64, "ref": {"name": "data"}}]},
        says=["spec.datasets[0].name"],
    ),
    Mistake(
        "a channel must reference a Dataset",
        {"datasets": [{"name": "a"}]},
        says=["spec.datasets[0].ref: Required value"],
    ),
    Mistake(
        "a run must have at most 16 channels",
        {"datasets": [{"name": f"c{n}", "ref": {"name": "data"}} for n in range(17)]},
        says=["spec.datasets: Too many"],
    ),
    Mistake(
        "a parameter must be a string", {"parameters": {"depth": 4}}, says=["spec.parameters.depth", "of type string"]
    ),
    Mistake(
        "a run must have at most 128 parameters",
        {"parameters": {f"p{n}": "1" for n in range(129)}},
        says=["spec.parameters: Too many"],
    ),
    Mistake(
        "a parameter must have at most 4096 characters",
        {"parameters": {"p": "x" * 4097}},
        says=["spec.parameters.p: Too long"],
    ),
    Mistake(
        "retries.limit must not be negative",
        {"retries.limit": -1},
        says=["spec.retries.limit", "greater than or equal to 0"],
    ),
    Mistake(
        "retries.limit must not exceed 100",
        {"retries.limit": 101},
        says=["spec.retries.limit", "less than or equal to 100"],
    ),
    Mistake(
        "exit code 0 must not be listed as a failure",
        {"retries.nonRetryableExitCodes": [0]},
        says=["spec.retries.nonRetryableExitCodes[0]", "greater than or equal to 1"],
    ),
    Mistake(
        "an exit code must not exceed 255",
        {"retries.nonRetryableExitCodes": [256]},
        says=["spec.retries.nonRetryableExitCodes[0]", "less than or equal to 255"],
    ),
    Mistake(
        "an exit code must not be listed twice",
        {"retries.nonRetryableExitCodes": [3, 3]},
        says=["spec.retries.nonRetryableExitCodes[1]: Duplicate value"],
    ),
    Mistake("timeout must be a duration", {"timeout": "1 hour"}, says=["spec.timeout", "should match"]),
    Mistake("timeout must not be zero", {"timeout": "0s"}, says=["timeout must be at least 1s"]),
    Mistake(
        "rerunOn must have known events",
        {"rerunOn": ["Always"]},
        says=["spec.rerunOn[0]: Unsupported value", '"DatasetChange"'],
    ),
    Mistake(
        "rerunOn DatasetChange needs a Dataset",
        {"rerunOn": ["DatasetChange"]},
        says=["rerunOn DatasetChange needs at least one entry"],
    ),
    Mistake(
        "cache.mode must be Reuse or Ignore",
        {"cache.mode": "Never"},
        says=["spec.cache.mode: Unsupported value", '"Reuse"', '"Ignore"'],
    ),
    Mistake(
        "a nonce must have at most 128 characters", {"cache.nonce": "n" * 129}, says=["spec.cache.nonce: Too long"]
    ),
    Mistake("output is required", {"output": ABSENT}, says=["spec.output: Required value"]),
    Mistake("an output's model is required", {"output.model": ABSENT}, says=["spec.output.model: Required value"]),
    Mistake(
        "a model's name must be lower case", {"output.model": "Approval"}, says=["spec.output.model", "should match"]
    ),
    Mistake(
        "a model's name must leave room for the names of its versions",
        {"output.model": "m" * 55},
        says=["spec.output.model: Too long"],
    ),
    Mistake("an output's format is required", {"output.format": ABSENT}, says=["spec.output.format: Required value"]),
    Mistake(
        "an output's format must be supported",
        {"output.format": "pickle"},
        says=["spec.output.format: Unsupported value", '"sklearn"'],
    ),
    Mistake("publishTimeout must have a unit", {"output.publishTimeout": "1"}, says=["spec.output.publishTimeout"]),
    Mistake(
        "publishTimeout must not have 30 digits", {"output.publishTimeout": "9" * 30 + "h"}, says=["publishTimeout"]
    ),
    Mistake("timeout must not have 30 digits", {"timeout": "9" * 30 + "h"}, says=["timeout"]),
    Mistake(
        "a gate must set min or max",
        {"output.versionTemplate.gates": [{"metric": "accuracy"}]},
        says=["spec.output.versionTemplate.gates[0]", "a gate needs a bound: set min, max or both"],
    ),
    Mistake(
        "approval must be Automatic or Manual",
        {"output.versionTemplate.approval": "Never"},
        says=["spec.output.versionTemplate.approval: Unsupported value", '"Automatic"', '"Manual"'],
    ),
    Mistake(
        "workers.count must be at least 1",
        {"workers.count": 0},
        says=["spec.workers.count", "greater than or equal to 1"],
    ),
    Mistake("a framework must be supported", {"workers.framework": "mpi"}, says=["spec.workers.framework", '"torch"']),
    Mistake("a queue's name must be lower case", {"queueName": "Team"}, says=["spec.queueName", "should match"]),
    Mistake(
        "rerun.minInterval needs rerunOn DatasetChange",
        {"rerun.minInterval": "1h"},
        says=["need rerunOn: [DatasetChange]"],
    ),
    Mistake(
        "rerun.debounce needs rerunOn DatasetChange", {"rerun.debounce": "1m"}, says=["need rerunOn: [DatasetChange]"]
    ),
    Mistake(
        "rerun.inFlight must be Finish or Replace",
        {"rerun.inFlight": "Drop"},
        says=["spec.rerun.inFlight", '"Replace"'],
    ),
    Mistake("a schedule must be a cron expression", {"rerun.schedule": "daily"}, says=["spec.rerun.schedule"]),
    Mistake(
        "registration must be a known policy",
        {"output.registration": "Sometimes"},
        says=["spec.output.registration", '"Never"'],
    ),
    Mistake(
        "ttlAfterFinished must be a duration",
        {"ttlAfterFinished": "soon"},
        says=["spec.ttlAfterFinished", "should match"],
    ),
    Mistake("a sweep must have a parameter", {"sweep": sweep()}, says=["spec.sweep.parameters", "at least 1 items"]),
    Mistake(
        "a sweep must have an objective",
        {"sweep": {"parameters": [RATE]}},
        says=["spec.sweep.objective: Required value"],
    ),
    Mistake(
        "a sweep's algorithm must be supported",
        {"sweep": sweep(RATE, algorithm="bayes")},
        says=["spec.sweep.algorithm", '"tpe"'],
    ),
    Mistake(
        "a sweep must not have two parameters of one name",
        {"sweep": sweep(RATE, RATE)},
        says=["spec.sweep.parameters[1]: Duplicate value"],
    ),
    Mistake(
        "a categorical parameter must have values and no bounds",
        {"sweep": sweep({**KERNEL, "min": 1})},
        says=["a categorical parameter needs values"],
    ),
    Mistake(
        "a double must have bounds", {"sweep": sweep({"name": "x", "type": "double"})}, says=["a double or int needs"]
    ),
    Mistake(
        "a parameter's min must not be greater than its max",
        {"sweep": sweep({**RATE, "min": 2})},
        says=["min must not be greater than max"],
    ),
    Mistake(
        "a logarithmic parameter needs a min above 0",
        {"sweep": sweep({**RATE, "min": 0, "log": True})},
        says=["log needs a min above 0"],
    ),
    Mistake(
        "a parameter must not set both log and step",
        {"sweep": sweep({**RATE, "log": True, "step": 0.1})},
        says=["set log or step, not both"],
    ),
    Mistake(
        "a step must be greater than 0",
        {"sweep": sweep({**RATE, "step": 0})},
        says=["spec.sweep.parameters[0].step", "greater than 0"],
    ),
    Mistake(
        "a step must not be too small for its range",
        {"sweep": sweep({**RATE, "step": 1e-12})},
        says=["step is too small"],
    ),
    Mistake(
        "an int's bounds must be whole numbers", {"sweep": sweep({**DEPTH, "min": 1.5})}, says=["must be whole numbers"]
    ),
    Mistake(
        "a bound must not exceed the largest number",
        {"sweep": sweep({**RATE, "max": 1e19})},
        says=["spec.sweep.parameters[0].max"],
    ),
    Mistake(
        "a grid needs a step for each double",
        {"sweep": sweep(RATE, algorithm="grid")},
        says=["a grid needs a step for each double"],
    ),
    Mistake(
        "a grid must not have a logarithmic parameter",
        {"sweep": sweep({**DEPTH, "log": True}, algorithm="grid")},
        says=["a grid runs every value once: log has no effect, leave it out"],
    ),
    Mistake(
        "a sweep must have at most 500 trials",
        {"sweep": sweep(RATE, maxTrials=501)},
        says=["spec.sweep.maxTrials", "less than or equal to 500"],
    ),
    Mistake(
        "a sweep's table of trials must fit into the status",
        {"sweep": sweep(*({**KERNEL, "name": f"k{n}", "values": ["v" * 256]} for n in range(16)), maxTrials=500)},
        says=["the table of trials would be too large"],
    ),
    Mistake(
        "Pods must not run as root", {"pod.runAsUser": 0}, says=["spec.pod.runAsUser", "greater than or equal to 1"]
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_in_a_training_run_is_rejected(api: ApiServer, mistake: Mistake) -> None:
    """A person reads one sentence that names the field, at once, and the operator never sees the object."""
    assert_rejected(api, "TrainingRun", mistake)
