#!/bin/sh
# Installs what the tests need beside Python: servers, unless they are there or named by a setting, and programs.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)

has() {
    for found in "$@"; do
        if [ -x "$found" ] || command -v "$found" >/dev/null; then return 0; fi
    done
    return 1
}

missing=""
if [ -z "${COMPORTA_TEST_BROKER_URL:-}" ] && ! has /usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server; then
    missing="rabbitmq-server"
fi
if [ -z "${COMPORTA_TEST_DATABASE_URL:-}" ] && ! has /usr/lib/postgresql/*/bin/initdb initdb; then
    missing="$missing postgresql"
fi
if ! has /usr/sbin/pgbouncer pgbouncer; then missing="$missing pgbouncer"; fi
# What runs the examples of languages that an ERP may be written in.
if ! has node; then missing="$missing nodejs"; fi
if ! has npm; then missing="$missing npm"; fi
if ! has curl; then missing="$missing curl"; fi
# What looks at the page, and what tests the alerts (promtool).
if ! has chromium-headless-shell; then missing="$missing chromium-headless-shell"; fi
if ! has promtool; then missing="$missing prometheus"; fi
# What checks the units of deploy/systemd.
if ! has systemd-analyze; then missing="$missing systemd"; fi
# More languages and their libraries: without them the tests leave out their examples, and say so at their end.
optional=""
if ! has php; then optional="$optional php-cli"; fi
if [ ! -e /usr/share/php/PhpAmqpLib/autoload.php ]; then optional="$optional php-amqplib"; fi
if ! has javac; then optional="$optional default-jdk-headless"; fi
if [ ! -e /usr/share/java/amqp-client.jar ]; then optional="$optional librabbitmq-client-java"; fi
if [ ! -e /usr/share/java/slf4j-nop.jar ]; then optional="$optional libslf4j-java"; fi
if [ ! -e /usr/share/java/jackson-databind.jar ]; then optional="$optional libjackson2-databind-java"; fi
if ! has go; then optional="$optional golang-go"; fi
if [ ! -e /usr/share/gocode/src/github.com/rabbitmq/amqp091-go ]; then
    optional="$optional golang-github-rabbitmq-amqp091-go-dev"
fi
# The packages of the contract's tests and of the example: their download may take longer than a test may.
install_node_packages() {
    for folder in tests/contract examples/node; do
        cd "$root/$folder"
        if [ node_modules/.package-lock.json -nt package-lock.json ]; then continue; fi
        npm ci --ignore-scripts --no-audit --no-fund --silent
    done
}

can_install() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

if [ -n "$optional" ] && can_install; then
    echo "installing: $optional"
    # shellcheck disable=SC2086 # One word a package.
    "$root/.ci/debian-install" $optional || echo "the examples that need one of these will be left out" >&2
fi
if [ -z "$missing" ]; then
    install_node_packages
    exit 0
fi

if ! can_install; then
    cat >&2 <<'EOF'
Some of what the tests run is not installed, and only root on Debian or Ubuntu can have it installed from here:
EOF
    echo "  $missing" >&2
    cat >&2 <<'EOF'
Install it; RabbitMQ and PostgreSQL may also be started and named:
  mkdir -p secrets && for name in rabbitmq_admin rabbitmq postgres_admin postgres; do echo comporta > secrets/${name}_password; done
  docker compose up --detach --wait rabbitmq postgres
  export COMPORTA_TEST_BROKER_URL=amqp://admin:comporta@127.0.0.1:5672/
  export COMPORTA_TEST_DATABASE_URL=postgresql://postgres:comporta@127.0.0.1:5432/postgres
EOF
    exit 1
fi

echo "installing: $missing"
# shellcheck disable=SC2086 # One word a package.
"$root/.ci/debian-install" $missing
install_node_packages
