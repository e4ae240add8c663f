"""Every error of the API is problem details (RFC 9457), and none of them shows what is inside."""

from __future__ import annotations

import pytest

from storage.errors import RowRefused, Unavailable
from storage.views import Views
from tests.support.problem_details import check_problem
from tests.support.web_harness import WebHarness

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/api/orders/main/none", 404),
        ("GET", "/api/quarantine/none", 404),
        ("POST", "/api/orders/main/none/retry", 409),
        ("DELETE", "/api/status", 405),
        ("PUT", "/events", 405),
        ("POST", "/api/pause", 415),
        ("GET", "/api/missed?limit=x", 400),
    ],
)
def test_what_the_routes_refuse_is_a_problem(sqlite_web: WebHarness, method: str, path: str, status: int) -> None:
    check_problem(sqlite_web.request(method, path), status)


def test_an_answer_405_says_which_methods_there_are(sqlite_web: WebHarness) -> None:
    answer = sqlite_web.request("DELETE", "/api/status")
    assert answer.headers["allow"] == "GET"
    assert "/docs" in check_problem(answer, 405)["detail"]


def test_what_is_wrong_with_a_parameter_is_said_one_by_one(sqlite_web: WebHarness) -> None:
    problem = check_problem(sqlite_web.request("GET", "/api/missed?limit=x&domain=y"), 400)
    assert sorted(error["where"] for error in problem["errors"]) == ["domain", "limit"]
    assert "Value error" not in str(problem)


def test_bodies_that_are_too_long_are_problems(sqlite_web: WebHarness) -> None:
    check_problem(sqlite_web.request("POST", "/api/pause", content=b" " * 70_000, headers=JSON), 413)


def test_events_are_refused_as_ever(sqlite_web: WebHarness) -> None:
    problem = check_problem(sqlite_web.request("POST", "/events", content=b"{", headers=JSON), 400)
    assert problem["title"] == "Events refused"
    assert set(problem["errors"][0]) == {"reason", "pointer", "sentence", "doc"}
    assert check_problem(sqlite_web.request("POST", "/events", content=b"x"), 415)["title"] == "Unsupported media type"


def test_a_reply_to_a_control_message_that_is_refused_stays_a_reply(sqlite_web: WebHarness) -> None:
    answer = sqlite_web.request("POST", "/api/pause", content=b"{}", headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert answer.json()["error"].startswith("invalid: ")


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (Unavailable("the database can't be reached: refused"), 503, "the database can't be reached: refused"),
        (RowRefused("the database refuses a value: x"), 400, "no row can hold"),
        (RuntimeError("secret-value-in-an-exception"), 500, "its log has the cause"),
    ],
)
def test_what_fails_inside_is_told_without_its_insides(
    sqlite_web: WebHarness, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, says: str
) -> None:
    def fail(_: Views) -> None:
        raise error

    monkeypatch.setattr(Views, "status", fail)
    answer = sqlite_web.request("GET", "/api/status")
    assert says in check_problem(answer, status)["detail"]
    assert "secret-value" not in answer.text
    assert "Traceback" not in answer.text
    assert (answer.headers.get("retry-after") == "5") == (status == 503)
