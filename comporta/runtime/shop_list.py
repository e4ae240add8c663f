"""Shop rules from the settings, and the file that lists the shops of an installation: one a line, `#` for comments."""

from __future__ import annotations

from pathlib import Path

from rules.shops import ShopRules
from schemas.events import SHOP
from storage.log import logger

__all__ = ["ShopList", "check_shops", "shop_rules"]

log = logger(__name__)

_OPEN, _TABLE = "open", "table"


class ShopList:
    """The shops in a file; it is read again when it changes. While it can't be read, the last content holds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: tuple[int, ...] | None = ()
        self._names: frozenset[str] = frozenset()

    def __call__(self) -> frozenset[str]:
        """Return the listed shops."""
        version = _version(self._path)
        if version != self._version:
            self._version = version
            try:
                self._names = _read(self._path)
            except (OSError, ValueError) as error:
                log.warning("the list of shops can't be read: its last content holds", error=str(error))
        return self._names


def shop_rules(shops: str, most: int) -> ShopRules:
    """Return the rules of the settings COMPORTA_SHOPS and COMPORTA_MAX_SHOPS."""
    if shops in (_OPEN, _TABLE):
        return ShopRules(shops == _OPEN, most)
    return ShopRules(open=False, most=most, listed=ShopList(Path(shops)))


def check_shops(value: str) -> str:
    """Check the setting COMPORTA_SHOPS; raises `ValueError` with the remedy."""
    if not value:
        # docker compose passes on a variable that is not set as an empty text.
        return _OPEN
    if value not in (_OPEN, _TABLE):
        try:
            _read(Path(value))
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise ValueError(
                f"must be open, table or a file with a shop on each line; it can't be read: {why}"
            ) from None
    return value


def _version(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> frozenset[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError("the file of shops is not UTF-8") from None
    names = set()
    for number, line in enumerate(lines, 1):
        name = line.partition("#")[0].strip()
        if name and not SHOP.fullmatch(name):
            raise ValueError(f"line {number} of the file is no shop id: a-z, 0-9 and -, at most 63 characters")
        names |= {name} if name else set()
    return frozenset(names)
