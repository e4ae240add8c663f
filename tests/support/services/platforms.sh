#!/bin/sh
# Makes the root folders of Debian releases whose RabbitMQ and PostgreSQL the tests are run on, where they are missing.
# Prints nothing but what it makes. A folder holds programs alone: a server's data lie where the tests put them.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
folder=${COMPORTA_TEST_PLATFORMS:-${XDG_CACHE_HOME:-$HOME/.cache}/comporta/platforms}

fail() {
    echo "the platform $1 is missing: $2" >&2
    exit 1
}

# The packages of a release; the newest RabbitMQ and PostgreSQL that it has.
packages() {
    case $1 in
        trixie) echo "rabbitmq-server,postgresql-17" ;;
        forky) echo "rabbitmq-server,postgresql-18" ;;
        *) fail "$1" "known are forky (RabbitMQ 4.3, PostgreSQL 18) and trixie (RabbitMQ 4.0, PostgreSQL 17)" ;;
    esac
}

# The archive that this machine's own apt is set up with.
mirror() {
    apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
        awk -v own="$(. /etc/os-release && echo "$VERSION_CODENAME")" '$2 == own { print $1; exit }'
}

make_root() {
    release=$1
    [ "$(id -u)" -eq 0 ] || fail "$release" "only root can make it: run \`make test-platforms\` as root on Debian"
    command -v apt-get >/dev/null || fail "$release" "it is made from Debian's archive, and there is no apt-get here"
    command -v mmdebstrap >/dev/null || "$root/.ci/debian-install" mmdebstrap
    archive=$(mirror)
    [ -n "$archive" ] || fail "$release" "apt is set up with no archive of this machine's own release"
    # A release is signed with keys that an older one may not have: trixie's know those of forky.
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    if [ "$release" = forky ]; then
        # In a shell of its own: the variables of a function are those of its caller.
        [ -d "$folder/trixie" ] || (make_root trixie)
        keys=$folder/trixie/usr/share/keyrings/debian-archive-keyring.gpg
    fi
    echo "making the platform $release in $folder"
    mkdir -p "$folder"
    made=$folder/.$release.$$
    trap 'rm -rf "$made"' EXIT
    mmdebstrap --quiet --variant=minbase --mode=root --keyring="$keys" \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Apt::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --include="$(packages "$release")" "$release" "$made" "$archive" ||
        fail "$release" "mmdebstrap ended with an error, which stands above"
    # A node of Erlang looks its own name up.
    echo '127.0.0.1 localhost' >"$made/etc/hosts"
    mv "$made" "$folder/$release"
    trap - EXIT
}

for release in "$@"; do
    packages "$release" >/dev/null
    [ -d "$folder/$release" ] || make_root "$release"
done
