"""Settings of what operators may do, beside those of the retention."""

from __future__ import annotations

from comporta.runtime.retention_settings import RetentionSettings

__all__ = ["OperatorSettings"]


class OperatorSettings(RetentionSettings):
    """Settings of the operators' rights; the retention is set by the same people."""

    allow_edit: bool = False
