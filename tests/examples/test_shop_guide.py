"""The guide for shop teams says what is so: its events, commands, links and examples."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import typer

from comporta.cli.main import app
from schemas.order_notices import NOTICE_TYPES, Notice
from schemas.orders import PLACED, read_order
from tests.support.example_deployment import ExampleDeployment
from tests.support.example_programs import FOLDER, PYTHON, run_command

GUIDE = FOLDER.parent / "docs" / "shop-guide.md"
TEXT = GUIDE.read_text(encoding="utf-8")
EVENTS = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)]
PLACE_PYTHON = [PYTHON.command[0], str(FOLDER / "python" / "place_order.py")]
PLACE_CURL = ["sh", str(FOLDER / "curl" / "place_order.sh")]


@pytest.mark.parametrize("event", [event for event in EVENTS if event["type"] == PLACED])
def test_every_order_shown_is_a_valid_one(event: dict[str, Any]) -> None:
    assert read_order("main", event).unknown == ()


@pytest.mark.parametrize("event", [event for event in EVENTS if event["type"] in NOTICE_TYPES])
def test_every_notice_shown_is_a_valid_one(event: dict[str, Any]) -> None:
    NOTICE_TYPES[event["type"]].model_validate_json(json.dumps(event))


def test_every_notice_is_in_the_guide() -> None:
    assert set(re.findall(r"^\| `comporta\.order\.([a-z_]+)\.v1`", TEXT, re.MULTILINE)) == set(Notice)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)", TEXT))))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (GUIDE.parent / link).exists()


@pytest.mark.parametrize("line", sorted(set(re.findall(r"`comporta ([a-z][^`]*)`", TEXT))))
def test_every_command_shown_exists(line: str) -> None:
    command: Any = typer.main.get_command(app)
    for word in line.split():
        if not hasattr(command, "commands"):
            break
        command = command.commands[word]
    assert not hasattr(command, "commands")


def test_an_order_over_amqp_is_accepted_and_a_wrong_one_refused_with_the_reason(deployment: ExampleDeployment) -> None:
    done = run_command([*PLACE_PYTHON, deployment.broker_url, "amqp-1"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "comporta.order.accepted.v1: amqp-1\n", "")
    done = run_command([*PLACE_PYTHON, deployment.broker_url, "amqp-2", "1.00"])
    assert done.returncode == 1
    assert done.stderr.startswith("refused: amqp-2: order_sum /data/total ")


def test_an_order_over_http_is_stored_once_and_a_wrong_one_refused_with_the_reason(
    deployment: ExampleDeployment,
) -> None:
    for repeated in (0, 1):
        done = run_command([*PLACE_CURL, deployment.url, "http-1"], COMPORTA_TOKEN=deployment.token)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout.removeprefix("stored: http-1: ")) == {"accepted": 1, "repeated": repeated}
    done = run_command([*PLACE_CURL, deployment.url, "http-2", "1.00"], COMPORTA_TOKEN=deployment.token)
    assert done.returncode == 1
    assert "order_sum" in done.stderr
