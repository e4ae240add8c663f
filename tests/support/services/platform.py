"""Platform: the root folder of another Debian release, whose servers are run from outside of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from tests.support.services.processes import ServiceFailed

__all__ = ["Platform", "chosen_platform"]

_SETTING = "COMPORTA_TEST_PLATFORM"
# A mount namespace that ends with its only process: nothing stays mounted, and the server has the id of the command.
_ENTER = 'for each in /proc /dev /sys /tmp; do mount --rbind "$each" "$0$each" || exit; done; exec chroot '
_NAMESPACE = ("unshare", "--mount", "--propagation", "private", "sh", "-c")


class Platform(NamedTuple):
    """A root folder; the servers' data lie outside, at paths that are the same inside."""

    root: Path

    def command(self, program: str, account: tuple[int, int] | None = None) -> list[str | Path]:
        """Return the command that becomes a program inside, for another account if one is given; root starts it."""
        if not (self.root / program.lstrip("/")).exists():
            raise ServiceFailed(_missing(self.root, program))
        if account is None:
            return [*_NAMESPACE, f'{_ENTER} "$0" "$@"', self.root, program]
        # The change of the account takes away what ties the server's end to that of the tests.
        change = f"--userspec={account[0]}:{account[1]}"
        return [*_NAMESPACE, f'{_ENTER} {change} "$0" setpriv --pdeathsig KILL -- "$@"', self.root, program]

    def account(self, name: str) -> tuple[int, int]:
        """Return the numbers of a user and group of the platform."""
        for line in (self.root / "etc" / "passwd").read_text().splitlines():
            fields = line.split(":")
            if fields[0] == name:
                return int(fields[2]), int(fields[3])
        raise ServiceFailed(_missing(self.root, f"account {name}"))

    def postgres_programs(self) -> str:
        """Return the folder of PostgreSQL's newest programs, as it is called inside."""
        found = sorted(self.root.glob("usr/lib/postgresql/*/bin"), key=lambda path: int(path.parts[-2]))
        if not found:
            raise ServiceFailed(_missing(self.root, "PostgreSQL"))
        return f"/{found[-1].relative_to(self.root)}"


def chosen_platform() -> Platform | None:
    """Return the platform that COMPORTA_TEST_PLATFORM names, None for this machine's own servers."""
    named = os.environ.get(_SETTING)
    if not named:
        return None
    root = Path(named)
    if not (root / "usr" / "bin").is_dir():
        raise ServiceFailed(_missing(root, "Debian release"))
    return Platform(root.resolve())


def _missing(root: Path, what: str) -> str:
    return f"the platform {root}, which {_SETTING} names, has no {what}: `make test-platforms` makes it"
