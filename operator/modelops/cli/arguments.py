"""Command line of the plugin: commands, options and help texts."""

import sys
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter, _SubParsersAction
from textwrap import fill
from typing import NoReturn, TypeAlias

from modelops import __version__
from modelops.cli import commands
from modelops.cli.commands import Command

PROGRAM = "kubectl modelops"
FAILED = 3
"""Exit code of a command that could not be carried out."""
_HELP_WIDTH = 78

_ABOUT = """\
Show and control rollouts of models, approvals, datasets and training runs.

Follow and control a rollout:

  kubectl modelops rollout status mortgage --watch    print changes
  kubectl modelops rollout pause mortgage             keep the candidate in its step
  kubectl modelops rollout resume mortgage            continue after a pause
  kubectl modelops rollout promote mortgage           move to the next step now
  kubectl modelops rollout abort mortgage --reason "answers look wrong"

Show what serves, and the data that it was trained on:

  kubectl modelops lineage mortgage
"""
_CODES = """\
exit codes:
  0  success; `rollout status`: the selected version serves with all its Pods
  1  `rollout status`: rolled back, or a person must change something
  2  `rollout status`: the rollout has not ended
  3  failure: one line on standard error says why
"""

Commands: TypeAlias = "_SubParsersAction[Parser]"


class Parser(ArgumentParser):
    """Parser that exits with 3 on an error: argparse's own 2 stands for a rollout that has not ended."""

    def error(self, message: str) -> NoReturn:
        """Print one sentence that names --help, and exit."""
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(FAILED)


def parser() -> Parser:
    """Return the parser of all commands. `run` of the parsed options is the command's function."""
    top = Parser(prog=PROGRAM, description=_ABOUT, epilog=_CODES, formatter_class=RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    _where(top, default=None)
    kinds = top.add_subparsers(metavar="COMMAND", required=True)
    _rollout(kinds)
    lineage = _command(
        kinds,
        "lineage",
        commands.lineage,
        "show what a Pod serves, and what it was made from",
        "Show the ModelVersion that a Pod serves, the TrainingRun with its input key, the image, and the digests of "
        "the data, all from the Pod's own annotations. For an InferenceService, show one Pod of each version that "
        "serves.",
    )
    lineage.add_argument("name", metavar="NAME", help="name of an InferenceService or a Pod")
    approve = _command(
        kinds,
        "approve",
        commands.approve,
        "approve a ModelVersion for serving",
        "Write the artifact's digest and your name on a ModelVersion whose approval is Manual. With the chart's "
        "approval policy you need the verb `approve` on the ModelVersion, and can use no name but your own.",
    )
    approve.add_argument("name", metavar="MODELVERSION")
    approve.add_argument(
        "--by", metavar="USER", help="approve in this name (default: your own, as the cluster knows you)"
    )
    _command(
        kinds,
        "refresh",
        commands.refresh,
        "probe the source of a Dataset now",
        "Probe the source now instead of after `interval`. A change must still be stable for `settle`.",
    ).add_argument("name", metavar="DATASET")
    _command(
        kinds,
        "rerun",
        commands.rerun,
        "train again on the same inputs",
        "Set spec.cache.nonce to a new value, so that no cached result is used. A tool that syncs the spec from Git "
        "reverts the value: change it in Git instead.",
    ).add_argument("name", metavar="TRAININGRUN")
    _command(
        kinds,
        "retry",
        commands.retry,
        "train again after a failure or a stop",
        "Train again with all of `retries`, from the last checkpoint. The spec does not change.",
    ).add_argument("name", metavar="TRAININGRUN")
    stop = _command(
        kinds,
        "stop",
        commands.stop,
        "stop a TrainingRun",
        "Stop the run, with the outcome Stopped. A change of its inputs, or `retry`, starts training again.",
    )
    stop.add_argument("name", metavar="TRAININGRUN")
    stop.add_argument("--reason", metavar="TEXT", help="the reason, for the status")
    return top


def _rollout(kinds: Commands) -> None:
    about = "show and control how a new version replaces the stable one"
    steps = kinds.add_parser("rollout", help=about, description=f"{about.capitalize()}.").add_subparsers(
        metavar="COMMAND", required=True
    )
    status = _command(
        steps,
        "status",
        commands.rollout_status,
        "show the state of a rollout",
        "Show the stable version, the candidate with its step, its percent of traffic and what it waits for, each "
        "check with its figures, and the versions that failed.",
        _CODES,
    )
    status.add_argument("-w", "--watch", action="store_true", help="print changes until the rollout has ended")
    promote = _command(
        steps,
        "promote",
        commands.rollout_promote,
        "move the candidate to its next step now",
        "Move the candidate to its next step now, whatever the present step waits for.",
    )
    promote.add_argument("--full", action="store_true", help="skip all steps: the candidate gets all traffic")
    pause = _command(
        steps,
        "pause",
        commands.rollout_pause,
        "keep the candidate in its step",
        "Keep the candidate's percent of traffic until the rollout is resumed.",
    )
    resume = _command(steps, "resume", commands.rollout_resume, "continue after a pause", "End a pause.")
    abort = _command(
        steps,
        "abort",
        commands.rollout_abort,
        "shift all traffic back to the stable version",
        "Shift all traffic back to the stable version and remove the candidate. To roll it out again, use retry.",
    )
    abort.add_argument("--reason", metavar="TEXT", help="the reason, for the status")
    retry = _command(
        steps,
        "retry",
        commands.rollout_retry,
        "roll a failed version out again",
        "Roll a failed version out again, which otherwise needs a change of version or spec.",
    )
    for command in (status, promote, pause, resume, abort, retry):
        command.add_argument("name", metavar="INFERENCESERVICE")


def _command(
    group: Commands, name: str, run: Command, summary: str, description: str, epilog: str | None = None
) -> Parser:
    parser = group.add_parser(
        name,
        help=summary,
        description=fill(description, _HELP_WIDTH),
        epilog=epilog,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    # Without the option after the command, the option before the command counts.
    _where(parser, default=SUPPRESS)
    return parser


def _where(parser: ArgumentParser, default: str | None) -> None:
    group = parser.add_argument_group("cluster")
    group.add_argument(
        "-n", "--namespace", metavar="NAME", default=default, help="namespace (default: that of the context)"
    )
    group.add_argument(
        "--context", metavar="NAME", default=default, help="context of the kubeconfig (default: the current one)"
    )
    group.add_argument(
        "--kubeconfig", metavar="FILE", default=default, help="path of the kubeconfig (default: $KUBECONFIG)"
    )
