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

# By standard input: arguments are seen by everyone on the machine.
if ctl list_users | cut -f 1 | grep -qx "$user"; then
    ctl change_password "$user" <"$COMPORTA_PASSWORD_FILE" >/dev/null
else
    ctl add_user "$user" <"$COMPORTA_PASSWORD_FILE" >/dev/null
fi
ctl set_user_tags "$user"
# Its own names and no others; the default exchange for replies and for orders to a shop's own queue.
ctl set_permissions --vhost "$vhost" "$user" '^(comporta|erp|shop)\.' '^((comporta|erp|shop)\.|amq\.default$)' '^(comporta|erp|shop)\.'
ctl import_definitions "$COMPORTA_DEFINITIONS"
