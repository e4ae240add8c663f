#!/bin/sh
# Installs what the Go reference is built with. Where that can't be had, its rows are left out by name: never a failure.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
libraries=/usr/share/gocode/src/github.com

missing=""
if ! command -v go >/dev/null; then missing="golang"; fi
if [ ! -d "$libraries/rabbitmq/amqp091-go" ]; then missing="$missing golang-github-rabbitmq-amqp091-go-dev"; fi
if [ ! -d "$libraries/jackc/pgx/v4" ]; then missing="$missing golang-github-jackc-pgx-v4-dev"; fi
if [ -z "$missing" ]; then exit 0; fi

echo "installing: $missing"
# shellcheck disable=SC2086 # One word a package.
"$root/.ci/debian-install" $missing || echo "the rows of hand-written Go will be left out" >&2
