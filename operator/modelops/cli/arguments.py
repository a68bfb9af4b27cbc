"""The command line: what can be asked, and the words that teach it."""

import sys
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter, _SubParsersAction
from textwrap import fill
from typing import NoReturn

from modelops import __version__
from modelops.cli import commands
from modelops.cli.commands import Command

PROGRAM = "kubectl modelops"
FAILED = 3
"""The exit code where nothing could be done."""
_HELP_WIDTH = 78

_ABOUT = """\
See and steer what modelops does: rollouts of models, approvals, data and training runs.

A rollout, from its beginning to its end:

  kubectl modelops rollout status mortgage --watch    what happens, as it happens
  kubectl modelops rollout pause mortgage             stay at this share of the traffic
  kubectl modelops rollout resume mortgage            go on
  kubectl modelops rollout promote mortgage           on to the next step, without waiting
  kubectl modelops rollout abort mortgage --reason "answers look wrong"

What serves here, and what did it learn from?

  kubectl modelops lineage mortgage
"""
_CODES = """\
exit codes:
  0  done; `rollout status`: the wanted version serves with all its Pods
  1  `rollout status`: it was rolled back, or a person must change something
  2  `rollout status`: it is not decided yet
  3  it could not be done: the one line on standard error says why
"""

Commands = _SubParsersAction


class Parser(ArgumentParser):
    """Tells a mistake by exit code 3: argparse's own 2 means that a rollout goes on."""

    def error(self, message: str) -> NoReturn:
        """One sentence, and where to read more."""
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(FAILED)


def parser() -> Parser:
    """All that can be asked. `run` of what is parsed is the command."""
    top = Parser(prog=PROGRAM, description=_ABOUT, epilog=_CODES, formatter_class=RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    _where(top, default=None)
    kinds = top.add_subparsers(metavar="COMMAND", required=True)
    _rollout(kinds)
    lineage = _command(
        kinds,
        "lineage",
        commands.lineage,
        "show what a Pod serves, and what that was made of",
        "Walks from a Pod that answers requests back to its ModelVersion, the TrainingRun with the key of its inputs, "
        "the image, and the digests of the data, all by the Pod's own annotations. Of an InferenceService, a Pod of "
        "each version that serves.",
    )
    lineage.add_argument("name", metavar="NAME", help="a Pod, or an InferenceService")
    approve = _command(
        kinds,
        "approve",
        commands.approve,
        "let a ModelVersion serve that waits for a person",
        "Puts the artifact's digest and your name on a ModelVersion whose approval is Manual. With the chart's "
        "approval policy you need the verb `approve` on it, and cannot use another name than your own.",
    )
    approve.add_argument("name", metavar="MODELVERSION")
    approve.add_argument("--by", metavar="USER", help="in whose name; your own, as the cluster knows you, by default")
    _command(
        kinds,
        "refresh",
        commands.refresh,
        "have a Dataset look at its source now",
        "Looks at the source at once instead of after `interval`. What is found must still hold still for `settle`.",
    ).add_argument("name", metavar="DATASET")
    _command(
        kinds,
        "rerun",
        commands.rerun,
        "train again on the same inputs",
        "Gives spec.cache.nonce a new value, so that no earlier result is taken. A tool that keeps the spec as it "
        "is in Git will put it back: change it there.",
    ).add_argument("name", metavar="TRAININGRUN")
    _command(
        kinds,
        "retry",
        commands.retry,
        "train once more after a failure or a stop",
        "Nothing of the spec changes; all of `retries` are there again, and training goes on from the last checkpoint.",
    ).add_argument("name", metavar="TRAININGRUN")
    stop = _command(
        kinds,
        "stop",
        commands.stop,
        "end a TrainingRun that is under way",
        "The run ends as Stopped. Other inputs, or `retry`, start it again.",
    )
    stop.add_argument("name", metavar="TRAININGRUN")
    stop.add_argument("--reason", metavar="TEXT", help="why, for the status")
    return top


def _rollout(kinds: Commands) -> None:
    about = "see and steer how a new version replaces the one that serves"
    steps = kinds.add_parser("rollout", help=about, description=f"{about.capitalize()}.").add_subparsers(
        metavar="COMMAND", required=True
    )
    status = _command(
        steps,
        "status",
        commands.rollout_status,
        "show how a rollout stands",
        "Shows what serves, the candidate with its step, its share of the requests and what it waits for, every check "
        "with its figures, and the versions that did not make it.",
        _CODES,
    )
    status.add_argument("-w", "--watch", action="store_true", help="print what changes, until the rollout has ended")
    promote = _command(
        steps,
        "promote",
        commands.rollout_promote,
        "on to the next step, without waiting",
        "Sends the candidate on to its next step now, whatever the step still waits for.",
    )
    promote.add_argument("--full", action="store_true", help="straight to all of the traffic, past every step")
    pause = _command(
        steps,
        "pause",
        commands.rollout_pause,
        "keep the candidate in its step",
        "The candidate keeps its share of the traffic until the rollout is resumed.",
    )
    resume = _command(steps, "resume", commands.rollout_resume, "go on after a pause", "Ends a pause.")
    abort = _command(
        steps,
        "abort",
        commands.rollout_abort,
        "back to the version that serves",
        "All traffic goes to the stable version, and the candidate goes. It is not tried again by itself: see retry.",
    )
    abort.add_argument("--reason", metavar="TEXT", help="why, for the status")
    retry = _command(
        steps,
        "retry",
        commands.rollout_retry,
        "try a version once more that did not make it",
        "A version that failed is not tried again until it or the spec changes, or somebody asks for it: this does.",
    )
    for one in (status, promote, pause, resume, abort, retry):
        one.add_argument("name", metavar="INFERENCESERVICE")


def _command(
    into: Commands, name: str, run: Command, short: str, about: str, epilog: str | None = None
) -> ArgumentParser:
    made: ArgumentParser = into.add_parser(
        name,
        help=short,
        description=fill(about, _HELP_WIDTH),
        epilog=epilog,
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.set_defaults(run=run)
    # Where a command has no such option, the one before it counts.
    _where(made, default=SUPPRESS)
    return made


def _where(one: ArgumentParser, default: str | None) -> None:
    group = one.add_argument_group("where")
    group.add_argument(
        "-n", "--namespace", metavar="NAME", default=default, help="the namespace; the context's by default"
    )
    group.add_argument("--context", metavar="NAME", default=default, help="the kubeconfig's context to use")
    group.add_argument("--kubeconfig", metavar="FILE", default=default, help="the kubeconfig; $KUBECONFIG by default")
