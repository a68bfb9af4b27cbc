"""The command line."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from modelops.cli import commands
from modelops.cli.__main__ import main
from modelops.cli.arguments import FAILED, parser
from modelops.cli.client import ClusterError, NotFoundError, UnreachableError, refusal

NOWHERE = {"namespace": None, "context": None, "kubeconfig": None}


@pytest.mark.parametrize(
    ("line", "run", "given"),
    [
        ("rollout status m", commands.rollout_status, {"name": "m", "watch": False}),
        ("rollout status m --watch", commands.rollout_status, {"name": "m", "watch": True}),
        ("rollout status -w m", commands.rollout_status, {"name": "m", "watch": True}),
        ("rollout promote m", commands.rollout_promote, {"name": "m", "full": False}),
        ("rollout promote m --full", commands.rollout_promote, {"name": "m", "full": True}),
        ("rollout pause m", commands.rollout_pause, {"name": "m"}),
        ("rollout resume m", commands.rollout_resume, {"name": "m"}),
        ("rollout abort m", commands.rollout_abort, {"name": "m", "reason": None}),
        ("rollout abort m --reason bad", commands.rollout_abort, {"name": "m", "reason": "bad"}),
        ("rollout retry m", commands.rollout_retry, {"name": "m"}),
        ("lineage m", commands.lineage, {"name": "m"}),
        ("approve m", commands.approve, {"name": "m", "by": None}),
        ("approve m --by ann", commands.approve, {"name": "m", "by": "ann"}),
        ("refresh d", commands.refresh, {"name": "d"}),
        ("rerun t", commands.rerun, {"name": "t"}),
        ("retry t", commands.retry, {"name": "t"}),
        ("stop t --reason dear", commands.stop, {"name": "t", "reason": "dear"}),
        ("refresh d -n team", commands.refresh, {"name": "d", "namespace": "team"}),
        ("-n team refresh d", commands.refresh, {"name": "d", "namespace": "team"}),
        ("-n one refresh d -n two", commands.refresh, {"name": "d", "namespace": "two"}),
        (
            "--context c rollout pause m --kubeconfig k",
            commands.rollout_pause,
            {"name": "m", "context": "c", "kubeconfig": "k"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_asked(line: str, run: Callable[..., int], given: dict[str, Any]) -> None:
    """Every command of the documentation, and where its options may stand."""
    assert vars(parser().parse_args(line.split())) == {**NOWHERE, **given, "run": run}


@pytest.mark.parametrize("line", ["", "rollout", "rollout status", "rollout undo m", "rollout status m n", "stop"])
def test_a_mistake_is_not_taken_for_a_rollout_that_goes_on(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Argparse would exit with 2, which says something else here."""
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == FAILED
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_no_kubeconfig(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence that says what to do."""
    assert main(["refresh", "d", "--kubeconfig", str(tmp_path / "none")]) == FAILED
    assert capsys.readouterr().err == (
        "kubectl modelops: no cluster: there is no kubeconfig; name one with --kubeconfig or KUBECONFIG\n"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "the cluster at http://127.0.0.1:1 does not answer: [Errno 111] Connection refused"),
        (["--context", "other"], "no cluster: Invalid kube-config file. Expected object with name other in"),
    ],
    ids=["nobody answers", "no such context"],
)
def test_no_cluster(tmp_path: Any, capsys: pytest.CaptureFixture[str], options: list[str], words: str) -> None:
    """At once, and in one line."""
    kubeconfig = {
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    }
    (tmp_path / "config").write_text(json.dumps(kubeconfig))
    assert main(["refresh", "d", "--kubeconfig", str(tmp_path / "config"), *options]) == FAILED
    error = capsys.readouterr().err
    assert error.startswith(f"kubectl modelops: {words}")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("status", "content", "kind", "words"),
    [
        (
            404,
            {"message": 'x "m" not found', "details": {"name": "m"}},
            NotFoundError,
            "there is no Dataset m in namespace t",
        ),
        (404, "404 page not found\n", ClusterError, "is modelops installed there?"),
        (
            403,
            {"message": 'x "m" is forbidden: User "ann" cannot', "details": {"name": "m"}},
            ClusterError,
            'User "ann" cannot',
        ),
        (401, {"message": "Unauthorized"}, ClusterError, "the cluster does not know you: Unauthorized"),
        (422, {"message": "must be so"}, ClusterError, "must be so"),
        (500, {"message": "etcd is away"}, UnreachableError, "etcd is away"),
        (502, "", UnreachableError, "HTTP 502"),
        (400, "[]", ClusterError, "[]"),
    ],
    ids=["not there", "no such kind", "forbidden", "unknown", "invalid", "broken", "a proxy", "not an object"],
)
def test_refusals(status: int, content: Any, kind: type[ClusterError], words: str) -> None:
    """The API server's own words say most; what is missing in them is added."""
    problem = refusal("Dataset m", "t", status, content if isinstance(content, str) else json.dumps(content))
    assert type(problem) is kind
    assert words in str(problem)
    assert "\n" not in str(problem)
