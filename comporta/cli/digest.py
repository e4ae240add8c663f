"""`comporta digest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from comporta.cli.options import check_domain
from comporta.cli.output import AsJson, console, print_json, print_rows
from comporta.cli.publish import check_scope
from comporta.cli.scope import opened
from comporta.runtime.settings import load_settings
from rules.digest import MOST_BUCKETS, Buckets, bucket_of, is_bucket_count
from schemas.canonical import entity_digest
from schemas.domains import DOMAINS

if TYPE_CHECKING:
    from storage.entity_rows import EntityRows

__all__ = ["digest"]

_DEFAULT_BUCKETS = 256

Shop = Annotated[str, typer.Option(help="The shop.")]
Domain = Annotated[str, typer.Option(help="The domain.")]
BucketCount = Annotated[int, typer.Option("--buckets", help=f"Number of buckets, a power of two up to {MOST_BUCKETS}.")]
BucketIndex = Annotated[
    int | None,
    typer.Option("--bucket", help="List the keys of this bucket with their digests, one JSON object a line."),
]


def digest(
    shop: Shop,
    domain: Domain,
    buckets: BucketCount = _DEFAULT_BUCKETS,
    bucket: BucketIndex = None,
    as_json: AsJson = False,
) -> None:
    """Show a digest of the shop's table that the ERP can compute too, to find the keys that differ."""
    check_scope(shop, None)
    check_domain("--domain: ", domain, tuple(DOMAINS))
    if not is_bucket_count(buckets):
        raise typer.BadParameter(f"--buckets: {buckets} is not a power of two from 1 to {MOST_BUCKETS}")
    if bucket is not None and not 0 <= bucket < buckets:
        raise typer.BadParameter(f"--bucket: {bucket} is not one of the {buckets} buckets, 0 to {buckets - 1}")
    with opened(load_settings(), shop, domain) as (_, rows):
        if bucket is not None:
            _list_keys(rows, buckets, bucket)
            return
        sums = _sums(rows, buckets)
    _show(sums, shop, domain, as_json=as_json)


def _sums(rows: EntityRows, number: int) -> Buckets:
    sums = Buckets(number)
    for page in rows.pages():
        for entity in page:
            if entity.here.content is not None:
                sums.add(entity.canonical_key, entity_digest(entity.here.content))
    return sums


def _list_keys(rows: EntityRows, buckets: int, bucket: int) -> None:
    for page in rows.pages():
        for entity in page:
            if entity.here.content is not None and bucket_of(entity.canonical_key, buckets) == bucket:
                line = {
                    "key": orjson.Fragment(entity.canonical_key),
                    "digest": entity_digest(entity.here.content).hex(),
                    "version": entity.here.stamp[0],
                }
                typer.echo(orjson.dumps(line).decode())


def _show(sums: Buckets, shop: str, domain: str, *, as_json: bool) -> None:
    whole = sums.whole
    lines: list[dict[str, Any]] = [
        {"bucket": index, "count": sums[index].count, "digest": sums[index].digest} for index in range(sums.number)
    ]
    if as_json:
        heading = {"shop": shop, "domain": domain, "count": whole.count, "digest": whole.digest}
        print_json({**heading, "buckets": lines})
        return
    print_rows(lines, ("bucket", "count", "digest"), "")
    console.print(f"{whole.count:,} entities, digest {whole.digest}", highlight=False)
