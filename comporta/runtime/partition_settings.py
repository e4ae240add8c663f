"""Settings of the partitions: domains with several queues."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo, field_validator

from broker.address import is_memory
from comporta.runtime.server_settings import ServerSettings
from schemas.partitions import PartitionBy, Partitions, parse_partitions, parse_taken

__all__ = ["WITHOUT_PARTITIONS", "PartitionSettings"]


class PartitionSettings(ServerSettings):
    """Settings of the partitions, beside those of the broker that has them."""

    partitions: str = ""
    partition_by: Annotated[PartitionBy, BeforeValidator(lambda value: value or "shop")] = "shop"

    take_partitions: str = ""

    @field_validator("partitions")
    @classmethod
    def _can_be_had(cls, value: str, info: ValidationInfo) -> str:
        if parse_partitions(value).counts and is_memory(info.data.get("broker_url", "")):
            raise ValueError("the embedded broker (memory://) has no partitions: leave it out, or use a RabbitMQ")
        return value

    @field_validator("take_partitions")
    @classmethod
    def _are_there(cls, value: str, info: ValidationInfo) -> str:
        if "partitions" in info.data:
            parse_taken(value, parse_partitions(info.data["partitions"]))
        return value

    @property
    def partition_layout(self) -> Partitions:
        """Return the domains with several queues, and those of them that a worker takes."""
        layout = parse_partitions(self.partitions, self.partition_by)
        return replace(layout, taken=parse_taken(self.take_partitions, layout))


WITHOUT_PARTITIONS = {"partitions": "", "take_partitions": ""}
