"""The command line: commands, options, and errors of one line."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from modelops.cli import commands
from modelops.cli.__main__ import main
from modelops.cli.arguments import FAILED, parser
from modelops.cli.client import ClusterError, NotFoundError, UnreachableError, refusal

NO_CLUSTER_OPTIONS = {"namespace": None, "context": None, "kubeconfig": None}


@pytest.mark.parametrize(
    ("line", "run", "options"),
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
def test_a_command_line_is_parsed(line: str, run: Callable[..., int], options: dict[str, Any]) -> None:
    """Options of the cluster may stand before and after the command."""
    assert vars(parser().parse_args(line.split())) == {**NO_CLUSTER_OPTIONS, **options, "run": run}


@pytest.mark.parametrize("line", ["", "rollout", "rollout status", "rollout undo m", "rollout status m n", "stop"])
def test_a_wrong_command_line_exits_with_3(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Argparse would exit with 2, which stands for a rollout that has not ended."""
    with pytest.raises(SystemExit) as exited:
        main(line.split())
    assert exited.value.code == FAILED
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_missing_kubeconfig_is_an_error_with_a_remedy(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refresh", "d", "--kubeconfig", str(tmp_path / "none")]) == FAILED
    assert capsys.readouterr().err == (
        "kubectl modelops: no cluster: no kubeconfig found; set --kubeconfig or KUBECONFIG\n"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "the cluster at http://127.0.0.1:1 does not answer: [Errno 111] Connection refused"),
        (["--context", "other"], "no cluster: Invalid kube-config file. Expected object with name other in"),
    ],
    ids=["the cluster does not answer", "the context does not exist"],
)
def test_a_cluster_that_cannot_be_used_is_an_error_of_one_line(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
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
            "no Dataset m in namespace t",
        ),
        (404, "404 page not found\n", ClusterError, "is modelops installed there?"),
        (
            403,
            {"message": 'x "m" is forbidden: User "ann" cannot', "details": {"name": "m"}},
            ClusterError,
            'User "ann" cannot',
        ),
        (401, {"message": "Unauthorized"}, ClusterError, "not logged in to the cluster: Unauthorized"),
        (422, {"message": "must be so"}, ClusterError, "must be so"),
        (500, {"message": "etcd is away"}, UnreachableError, "etcd is away"),
        (502, "", UnreachableError, "HTTP 502"),
        (400, "[]", ClusterError, "[]"),
    ],
    ids=[
        "a missing object",
        "a missing kind",
        "a forbidden request",
        "an unknown user",
        "an invalid object",
        "an error of the server",
        "a proxy without the server",
        "a response that is not an object",
    ],
)
def test_a_failure_has_the_words_of_the_api_server(
    status: int, content: Any, kind: type[ClusterError], words: str
) -> None:
    """Words that a person needs in addition are added."""
    error = refusal("Dataset m", "t", status, content if isinstance(content, str) else json.dumps(content))
    assert type(error) is kind
    assert words in str(error)
    assert "\n" not in str(error)
