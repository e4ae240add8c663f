#!/bin/sh
# Gives the broker's user comporta its password and rights, and the queues their policy. It can be run again at any
# time: a changed password takes effect, nothing else changes. Run it where rabbitmqctl reaches the node.
#   RABBITMQ_NODE           the node, for instance rabbit@rabbitmq; empty: the one on this machine
#   COMPORTA_PASSWORD_FILE  a file that holds the password alone
#   COMPORTA_DEFINITIONS    what `comporta schema --rabbitmq` prints
#   COMPORTA_VHOST          the virtual host; it must be there
set -eu
user=comporta
vhost=${COMPORTA_VHOST:-/}

ctl() {
    if [ -n "${RABBITMQ_NODE:-}" ]; then set -- --node "$RABBITMQ_NODE" "$@"; fi
    rabbitmqctl --silent "$@"
}

escaped() { sed 's/\\/\\\\/g; s/"/\\"/g'; }

# In a file that nobody else reads: arguments are seen by everyone on the machine, and rabbitmqctl of 4.3 fails where its
# standard input ends. Comporta's own names and no others; the default exchange for replies and for a shop's own queue.
umask 077
file=$(mktemp)
trap 'rm -f "$file"' EXIT
name=$(printf %s "$vhost" | escaped)
cat >"$file" <<EOF
{
  "users": [{"name": "$user", "password": "$(escaped <"$COMPORTA_PASSWORD_FILE")", "tags": []}],
  "permissions": [
    {
      "user": "$user",
      "vhost": "$name",
      "configure": "^(comporta|erp|shop)\\\\.",
      "write": "^((comporta|erp|shop)\\\\.|amq\\\\.default$)",
      "read": "^(comporta|erp|shop)\\\\."
    }
  ]
}
EOF
ctl import_definitions "$file"
ctl import_definitions "$COMPORTA_DEFINITIONS"
