"""A rollout as its clients see it: the shares, the copies, and what a candidate's trouble costs them."""

import http.client
import os
import socket
import threading
import time
from collections import Counter

import grpc
import pytest

from modelops.controllers.inferenceservice.analysis.envoy_stats import Cluster, Counters, counters, page
from support.echo import echo_server
from support.proxies import Proxy, running_proxy

STABLE = "approval-1%"
CANDIDATE = "approval-2"


def versions(answers) -> Counter[str]:
    assert {answer.status for answer in answers} == {200}
    assert [answer.body for answer in answers] == [str(number).encode() for number in range(len(answers))]
    return Counter(answer.headers["x-modelops-model-version"] for answer in answers)


def counted(proxy: Proxy, cluster: Cluster = "candidate") -> Counters:
    """What a candidate is judged by."""
    return counters(page(proxy.ask("/figures", port=proxy.stats).body), cluster)


def refuses(port: int) -> bool:
    """Whether nobody listens there any more."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


def around(expected: float, of: int) -> pytest.approx:
    """Within five standard deviations: by chance it is further away once in 1.7 million times."""
    chance = expected / of
    return pytest.approx(expected, abs=5 * (of * chance * (1 - chance)) ** 0.5)


def test_shares_and_copies_are_exact(pair):
    """20 % are answered by the candidate, which gets copies of half of the rest, and of nothing that it answers."""
    pair.stable.route(weight=20, mirror_percent=50)
    answered = versions(pair.stable.ask_often(2_000))
    assert answered.total() == 2_000
    assert answered[CANDIDATE] == around(400, of=2_000)
    pair.stable.wait_until(lambda: pair.stable.figures()["cluster.candidate.upstream_rq_active"] == 0)
    asked = [headers for path, headers in pair.candidate.model.asked if path == "/invocations"]
    copies = sum("x-modelops-mirrored" in headers for headers in asked)
    assert len(asked) - copies == answered[CANDIDATE]
    assert copies == around(answered[STABLE] / 2, of=answered[STABLE])
    assert all("x-modelops-mirrored" not in headers for _, headers in pair.stable.model.asked)


def test_a_new_share_takes_effect_under_load_without_losing_a_request(pair):
    """Weights change while requests come in; each change is told by the name of its routes, and nothing is lost."""
    done = threading.Event()
    answers = []

    def load() -> None:
        while not done.is_set():
            answers.extend(pair.stable.ask_often(20, threads=1))

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for weight in (5, 20, 50, 80, 100, 50, 0):
        pair.stable.route(weight=weight, mirror_percent=weight)
        before = len(answers)
        pair.stable.wait_until(lambda before=before: len(answers) > before)
    done.set()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {200}
    assert versions(pair.stable.ask_often(50)) == {STABLE: 50}
    pair.stable.route(weight=100)
    assert versions(pair.stable.ask_often(50)) == {CANDIDATE: 50}


def test_routes_that_cannot_be_read_change_nothing(pair):
    """Whatever is in the ConfigMap, requests are answered as before."""
    pair.stable.route(weight=100)
    before = pair.stable.routed()
    pair.stable.mount.write_text('{"resources": [{}]}')
    pair.stable.wait_until(
        lambda: b"update_rejected: 1" in pair.stable.ask("/stats?filter=rds", port=pair.stable.admin).body
    )
    assert pair.stable.routed() == before
    assert versions(pair.stable.ask_often(20)) == {CANDIDATE: 20}


def test_a_slow_candidate_does_not_hold_up_those_whose_requests_are_copied(pair):
    """Answers to copies are waited for by nobody."""
    pair.stable.model.go.set()
    pair.stable.route(mirror_percent=100)
    assert pair.stable.ask("/slow").headers["x-modelops-model-version"] == STABLE
    assert pair.candidate.model.arrived.wait(10)


def test_a_client_cannot_pass_its_request_off_as_a_copy(pair):
    """Copies are judged by themselves."""
    pair.stable.route(weight=100)
    assert pair.stable.ask("/mine", x_modelops_mirrored="true").status == 200
    ((_, seen),) = [one for one in pair.candidate.model.asked if one[0] == "/mine"]
    assert "x-modelops-mirrored" not in seen


def test_nor_where_it_is_answered_by_the_stable_version(pair):
    """Its own answer would not be kept, and the distributions would lack it. The copy says that it is one."""
    pair.stable.route(mirror_percent=100)
    assert pair.stable.ask("/mine", x_modelops_mirrored="10.9.9.9").status == 200
    pair.stable.wait_until(lambda: "/mine" in [path for path, _ in pair.candidate.model.asked])
    ((_, seen),) = [one for one in pair.stable.model.asked if one[0] == "/mine"]
    ((_, copy),) = [one for one in pair.candidate.model.asked if one[0] == "/mine"]
    assert "x-modelops-mirrored" not in seen
    assert copy["x-modelops-mirrored"] == "true"


def test_large_bodies_are_copied_too(pair):
    """A copy is judged like any other request, so it must not be left out for its size."""
    pair.stable.route(mirror_percent=100)
    body = bytes(3 * 2**20)
    assert pair.stable.ask("/invocations", "POST", body).body == body
    pair.stable.wait_until(lambda: pair.candidate.figures().get("cluster.model.upstream_rq_2xx") == 1)


def test_a_candidate_that_is_gone_costs_nothing_once_it_has_no_share(pair):
    """The way back: with weight 0 every request is answered, copies or not."""
    pair.stable.route(weight=50)
    pair.stable.ask_often(20)
    pair.stable.route(weight=0, mirror_percent=100)
    os.killpg(pair.candidate.process.pid, 9)
    assert versions(pair.stable.ask_often(200)) == {STABLE: 200}


def test_the_stable_version_answers_for_a_candidate_that_is_gone(pair):
    """Its only Pod is replaced, or all of them crash: no request is lost, and each answer says who gave it. Nor is the
    candidate judged by them: it has neither failed nor proven anything.
    """
    pair.stable.route(weight=50)
    theirs = versions(pair.stable.ask_often(20))[CANDIDATE]
    os.killpg(pair.candidate.process.pid, 9)
    pair.stable.wait_until(lambda: refuses(pair.candidate.http))
    answered = pair.stable.ask_often(200)
    assert versions(answered) == {STABLE: 200}
    assert {answer.headers["x-modelops-revision"] for answer in answered} == {"abc"}
    passed_on = pair.stable.figures()["cluster.candidate.upstream_rq_completed"]
    assert passed_on > theirs + 50
    pair.stable.wait_until(lambda: pair.stable.latencies("cluster.candidate") == passed_on)
    seen, own = counted(pair.stable), counted(pair.stable, "model")
    assert (seen.requests, seen.errors, seen.timed) == (theirs, 0, theirs)
    assert (own.requests, own.errors) == (220 - theirs, 0)
    assert not any("x-modelops-forwarded" in headers for _, headers in pair.stable.model.asked)


def test_the_stable_version_answers_grpc_for_a_candidate_that_is_gone(pair):
    """By its own port for it, and it says so."""
    pair.stable.route(weight=100)
    os.killpg(pair.candidate.process.pid, 9)
    pair.stable.wait_until(lambda: refuses(pair.candidate.http))
    with echo_server(pair.stable.grpc), grpc.insecure_channel(f"127.0.0.1:{pair.stable.http}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        answer, call = infer.with_call(b"hello", timeout=10)
    assert answer == b"hello"
    assert dict(call.initial_metadata())["x-modelops-model-version"] == STABLE
    assert counted(pair.stable) == Counters()
    assert counted(pair.stable, "model").requests == 1


def test_a_pod_that_is_drained_still_answers_for_a_candidate_that_is_gone(pair):
    """Clients are asked to go, and what they send until then is answered: nothing may stop listening in between."""
    pair.stable.route(weight=100)
    os.killpg(pair.candidate.process.pid, 9)
    pair.stable.wait_until(lambda: refuses(pair.candidate.http))
    drained = pair.stable.ask("/drain_listeners?graceful&skip_exit", "POST", port=pair.stable.admin)
    assert drained.status == 200
    assert versions(pair.stable.ask_often(20)) == {STABLE: 20}


def test_a_copy_that_reaches_nobody_is_an_error(pair):
    """Nobody tries a copy again, and nobody else answers it."""
    pair.stable.route(mirror_percent=100)
    os.killpg(pair.candidate.process.pid, 9)
    pair.stable.wait_until(lambda: refuses(pair.candidate.http))
    assert versions(pair.stable.ask_often(10)) == {STABLE: 10}
    pair.stable.wait_until(lambda: counted(pair.stable).requests == 10)
    assert counted(pair.stable) == Counters(10, 10)
    assert counted(pair.stable, "model").requests == 10


def test_a_candidate_that_dies_of_a_request_has_failed_it(pair):
    """It took the request, which cannot be carried out twice: its client gets an error, and it is the candidate's."""
    pair.stable.route(weight=100)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(pair.stable.ask("/slow", "POST", b"x")))
    asking.start()
    assert pair.candidate.model.arrived.wait(10)
    os.killpg(pair.candidate.process.pid, 9)
    asking.join()
    assert [answer.status for answer in answers] == [503]
    seen = counted(pair.stable)
    assert (seen.requests, seen.errors) == (1, 1)


def test_a_candidate_whose_name_nobody_knows_costs_nothing(model, tmp_path):
    """The stable version starts, and serves, where DNS does not answer."""
    began = time.monotonic()
    with running_proxy(model, tmp_path, CANDIDATE_HOST="credit-candidate.bank.svc.invalid") as proxy:
        assert time.monotonic() - began < 3
        assert versions(proxy.ask_often(20)) == {STABLE: 20}


def test_a_probe_is_neither_split_nor_counted(pair):
    """A Pod is as ready as its own model, and its figures are those of requests."""
    pair.stable.route(weight=100)
    before = len(pair.candidate.model.asked)
    answer = pair.stable.ask("/ready", user_agent="kube-probe")
    assert answer.headers["x-modelops-model-version"] == STABLE
    assert ("/ready", "kube-probe") in [(path, seen.get("user-agent")) for path, seen in pair.stable.model.asked]
    assert not any(seen.get("user-agent") == "kube-probe" for _, seen in pair.candidate.model.asked[before:])
    figures = pair.stable.figures()
    assert figures["cluster.model.upstream_rq_total"] == figures["cluster.candidate.upstream_rq_total"] == 0


def test_a_post_to_the_readiness_path_is_a_request(pair):
    """A server may answer both at the same path."""
    pair.stable.route(weight=100)
    assert pair.stable.ask("/ready", "POST", b"x").headers["x-modelops-model-version"] == CANDIDATE


def test_a_connection_to_the_candidate_leads_elsewhere_in_time(pair):
    """Behind a Service a connection stays with one Pod: a new Pod gets its share only by new connections."""
    pair.stable.route(weight=100)
    pair.stable.ask_often(250, threads=1)
    text = pair.stable.ask("/stats?filter=cluster.candidate.upstream_cx_total", port=pair.stable.admin).body
    assert text == b"cluster.candidate.upstream_cx_total: 3\n"


def test_grpc_is_split_too(pair):
    """GRPC has clusters of its own, and the same weights."""
    with echo_server(pair.stable.grpc), echo_server(pair.candidate.grpc):
        for weight, expect in ((0, STABLE), (100, CANDIDATE)):
            pair.stable.route(weight=weight)
            with grpc.insecure_channel(f"127.0.0.1:{pair.stable.http}") as channel:
                infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
                answer, call = infer.with_call(b"hello", timeout=10)
            assert answer == b"hello"
            assert dict(call.initial_metadata())["x-modelops-model-version"] == expect


def test_figures_tell_both_versions_apart(pair):
    """What the operator judges by: how many, how they ended, and how long they took."""
    pair.stable.route(weight=50)
    answered = versions(pair.stable.ask_often(100))
    figures = pair.stable.figures()
    assert figures["cluster.model.upstream_rq_2xx"] == answered[STABLE]
    assert figures["cluster.candidate.upstream_rq_2xx"] == answered[CANDIDATE]
    pair.stable.wait_until(lambda: pair.stable.latencies("cluster.candidate") == answered[CANDIDATE])


def test_connections_are_not_answered_by_the_wrong_version_after_a_change(pair):
    """A client that keeps its connection gets the new share with its next request."""
    connection = http.client.HTTPConnection("127.0.0.1", pair.stable.http, timeout=10)
    for weight, expect in ((0, STABLE), (100, CANDIDATE)):
        pair.stable.route(weight=weight)
        connection.request("POST", "/invocations", b"x")
        answer = connection.getresponse()
        assert answer.read() == b"x"
        assert answer.headers["x-modelops-model-version"] == expect
    connection.close()
