"""Metrics client: scrapes a process as Prometheus does."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.services.ports import HOST, free_port, take

__all__ = ["Scrape", "get_health", "scrape", "two_free_ports"]

# Prometheus gives up after so long.
_SCRAPE_SECONDS = 10.0


class Scrape:
    """Metrics of one process at one moment."""

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        self._samples = [sample for family in families for sample in family.samples]
        self.kinds = {family.name: family.type for family in families}

    def value(self, name: str, **labels: str) -> float | None:
        """Sum the samples with these labels, whatever others they have; None if there are none."""
        found = [s.value for s in self._samples if s.name == name and labels.items() <= s.labels.items()]
        return sum(found) if found else None

    def labels(self, name: str) -> list[dict[str, str]]:
        """Return the labels of every sample of a name."""
        return [dict(sample.labels) for sample in self._samples if sample.name == name]

    @property
    def names(self) -> dict[str, set[str]]:
        """Label names of each sample's name."""
        found: dict[str, set[str]] = defaultdict(set)
        for sample in self._samples:
            found[sample.name] |= sample.labels.keys()
        return dict(found)


def scrape(port: int) -> Scrape:
    """Scrape the process on a port."""
    answer = httpx.get(f"http://{HOST}:{port}/metrics", timeout=_SCRAPE_SECONDS, verify=False)
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)


def get_health(port: int, what: str) -> tuple[int, Any]:
    """Return the status and JSON of /healthz or /readyz."""
    answer = httpx.get(f"http://{HOST}:{port}/{what}", timeout=_SCRAPE_SECONDS, verify=False)
    return answer.status_code, answer.json()


def two_free_ports() -> int:
    """Return the first of two free ports side by side."""
    while not take((first := free_port()) + 1):
        pass
    return first
