#!/bin/sh
# Builds the image of the Dockerfile with buildah, on a machine that reaches no registry of images: in the place of its
# base image comes Debian's own Python, made from the archive that apt is set up with.
# usage: build.sh FOLDER   puts the image `comporta` into the storage FOLDER/storage
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$1
release=trixie

for program in buildah mmdebstrap; do
    command -v "$program" >/dev/null || "$root/.ci/debian-install" "$program"
done
archive=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    awk -v own="$(. /etc/os-release && echo "$VERSION_CODENAME")" '$2 == own { print $1; exit }')
base=$(sed -n 's/^FROM \([^ ]*\) AS build$/\1/p' "$root/Dockerfile")
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
store() { command="$1"; shift; buildah --root "$folder/storage" --runroot "$folder/run" "$command" "$@"; }

mkdir -p "$folder"
if [ ! -e "$folder/base.tar" ]; then
    mmdebstrap --quiet --variant=minbase --mode=root --aptopt='Apt::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --include=python3,python-is-python3,python3-venv,python3-pip,ca-certificates \
        --customize-hook='rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED' \
        --customize-hook='cp /etc/ssl/certs/ca-certificates.crt "$1"/etc/ssl/certs/' \
        --customize-hook='if [ -e /etc/pip.conf ]; then cp /etc/pip.conf "$1"/etc/; fi' \
        "$release" "$folder/base.tar.part" "$archive"
    mv "$folder/base.tar.part" "$folder/base.tar"
fi
container=$(store from scratch)
store add --quiet "$container" "$folder/base.tar" / >/dev/null
store config --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt "$container"
store commit --quiet --rm "$container" "$base" >/dev/null
store bud --quiet --pull-never --network host --tag comporta "$root" >/dev/null
