"""Compiled templates, kept beside them as Python keeps its modules, so that no first reader waits for the compiler."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from jinja2.bccache import Bucket, BytecodeCache

__all__ = ["TemplateCode"]


class TemplateCode(BytecodeCache):
    """Code of the templates, in memory for the languages' environments and, where it may be written, in a folder.

    Jinja checks each by the version of Python and a digest of its source.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill a bucket with the code of its template, if there is any that fits."""
        code = self._loaded.get(bucket.key)
        if code is None:
            try:
                code = self._path(bucket).read_bytes()
            except OSError:
                return
        try:
            bucket.bytecode_from_string(code)
        except (pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError, ImportError):
            # Cut off, or of another program.
            bucket.reset()
        if bucket.code is not None:
            self._loaded[bucket.key] = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of a template; a folder that can't be written to is left as it is."""
        self._loaded[bucket.key] = code = bucket.bytecode_to_string()
        if sys.dont_write_bytecode:
            return
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            # As a whole or not at all: other processes read it.
            number, name = tempfile.mkstemp(dir=self._folder)
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(code)
                Path(name).replace(self._path(bucket))
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise

    def _path(self, bucket: Bucket) -> Path:
        return self._folder / f"{bucket.key}.{sys.implementation.cache_tag}.jinja"
