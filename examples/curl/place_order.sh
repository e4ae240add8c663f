#!/bin/sh
# Places an order with Comporta over HTTP. It needs curl alone.
#
#   sh place_order.sh [URL [ORDER_ID [TOTAL]]]
#
# URL is where `comporta run` or `comporta admin` listens, or else the environment's COMPORTA_URL.
# COMPORTA_TOKEN in the environment is an operator's token or, for a first try, the one in the link that
# `comporta run` prints.
# Exit code 0: stored; 1: refused or not stored, the reasons are on standard error.
set -eu

url=${1:-${COMPORTA_URL:-http://127.0.0.1:8080}}
order_id=${2:-1001}
total=${3:-19.98}
placed_at=${4:-2026-11-23T07:22:51Z}
shop=main
if [ -z "${COMPORTA_TOKEN:-}" ]; then
    echo "NOT stored: COMPORTA_TOKEN is not set; \`comporta operator add NAME --role operator\` prints a token" >&2
    exit 1
fi

# Comporta answers 202 once the order is in its database. Without an answer, or with 503, curl tries again, which is
# safe: it is the same order_id. The token goes by a file descriptor of its own: what stands in a command line, every
# user of the machine can read.
if answer=$(
    curl --silent --show-error --fail-with-body --max-time 30 --retry 4 --retry-connrefused \
        --header 'Content-Type: application/cloudevents+json' --header @/dev/fd/3 --data-binary @- \
        "$url/orders?shop=$shop" 3<<TOKEN <<EOF2
Authorization: Bearer $COMPORTA_TOKEN
TOKEN
{
  "specversion": "1.0",
  "id": "placed-$order_id",
  "source": "/shop/example",
  "type": "shop.order.placed.v1",
  "data": {
    "order_id": "$order_id",
    "placed_at": "$placed_at",
    "customer": {"document": "52998224725", "name": "Ana Souza"},
    "currency": "BRL",
    "payment": {"method": "pix"},
    "items": [
      {"line": 1, "product_code": "7891000", "quantity": "2", "unit_price": "9.99", "total": "19.98"}
    ],
    "total": "$total"
  }
}
EOF2
); then
    echo "stored: $order_id: $answer"
else
    echo "NOT stored: $order_id: ${answer:-no answer}" >&2
    exit 1
fi
