#!/bin/sh
# Publishes a first stock event to Comporta over HTTP. It needs curl alone.
#
#   sh first_stock.sh [URL [SEQUENCE [ON_HAND]]]
#
# URL is where `comporta run` or `comporta admin` listens, or else the environment's COMPORTA_URL.
# COMPORTA_TOKEN in the environment is an operator's token or, for a first try, the one in the link that
# `comporta run` prints.
# Exit code 0: confirmed; 1: not confirmed, the reason is on standard error.
set -eu

url=${1:-${COMPORTA_URL:-http://127.0.0.1:8080}}
sequence=${2:-1}
on_hand=${3:-12.000}
shop=main
if [ -z "${COMPORTA_TOKEN:-}" ]; then
    echo "NOT confirmed: COMPORTA_TOKEN is not set; \`comporta operator add NAME --role operator\` prints a token" >&2
    exit 1
fi
# The same change has the same id, however often it is sent.
id="stock-$sequence"
# When the change was made, as the ERP's table says: sent again, it is the same event to the letter.
changed_at=2026-11-23T07:22:51-03:00

# Comporta answers 202 once the broker has confirmed. Without an answer, or with 503, curl tries again, which is safe:
# it is the same event, with the same id and sequence. The token goes by a file descriptor of its own: what stands in a
# command line, every user of the machine can read.
if answer=$(
    curl --silent --show-error --fail-with-body --max-time 30 --retry 4 --retry-connrefused \
        --header 'Content-Type: application/cloudevents+json' --header @/dev/fd/3 --data-binary @- \
        "$url/events?shop=$shop" 3<<TOKEN <<EOF
Authorization: Bearer $COMPORTA_TOKEN
TOKEN
{
  "specversion": "1.0",
  "id": "$id",
  "source": "/erp/example/1",
  "type": "erp.stock.changed.v1",
  "time": "$changed_at",
  "sequence": "$sequence",
  "data": {
    "product_code": "7891000",
    "branch": "1",
    "warehouse": "MAIN",
    "on_hand": "$on_hand",
    "unit": "UN",
    "as_of": "$changed_at"
  }
}
EOF
); then
    echo "confirmed: $id for $shop.stock, sequence $sequence"
else
    echo "NOT confirmed: $id: ${answer:-no answer}" >&2
    exit 1
fi
