#!/bin/sh
# Debian's docker-registry on loopback, for tests.
#
#   registry.sh serve DATA_DIR PORT     runs it in the foreground (end it by its pid)
#   registry.sh push PORT ARCHIVE...    puts OCI archives made by oci.sh into it, under the repository that their name has
#
# Run it in the network namespace of the node that shall reach it. Repositories keep the path they have upstream
# (docker.io/library/nginx is library/nginx here), so that it can stand in as a mirror.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/registry

# The binary from Debian's package, unpacked aside: nothing is installed and no service is started.
registry_binary() {
    if command -v docker-registry >/dev/null 2>&1; then
        command -v docker-registry
        return 0
    fi
    if [ ! -x "$cache/usr/bin/docker-registry" ]; then
        mkdir -p "$cache"
        (cd "$cache" && apt-get -o APT::Sandbox::User=root download -qq docker-registry >&2 && dpkg-deb -x docker-registry_*.deb .)
    fi
    echo "$cache/usr/bin/docker-registry"
}

serve() {
    mkdir -p "$1"
    cat >"$1/config.yml" <<CONF
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $1/data}
  delete: {enabled: true}
http:
  addr: 127.0.0.1:$2
CONF
    binary=$(registry_binary)
    exec "$binary" serve "$1/config.yml"
}

call() {
    curl --silent --show-error --fail-with-body --noproxy '*' --connect-timeout 5 --max-time 60 "$@"
}

# Uploads in one PUT, as the distribution specification's "monolithic" upload does.
push_blob() {
    location=$(call -X POST -D - -o /dev/null "$base/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    case "$location" in
    *\?*) location="$location&digest=sha256:$1" ;;
    *) location="$location?digest=sha256:$1" ;;
    esac
    call -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$2" -o /dev/null "$location"
}

push() (
    layout=$(mktemp -d)
    trap 'rm -rf "$layout"' EXIT
    tar -C "$layout" -xf "$2"
    name=$(sed -n 's/.*"io.containerd.image.name":"\([^"]*\)".*/\1/p' "$layout/index.json")
    manifest=$(sed -n 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/p' "$layout/index.json")
    repository=${name#*/}
    tag=${repository##*:}
    base="http://127.0.0.1:$1/v2/${repository%:*}"
    for blob in "$layout"/blobs/sha256/*; do
        [ "${blob##*/}" = "$manifest" ] || push_blob "${blob##*/}" "$blob"
    done
    call -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' \
        --data-binary "@$layout/blobs/sha256/$manifest" -o /dev/null "$base/manifests/$tag"
)

case "${1:-}" in
serve) serve "$2" "$3" ;;
push)
    port=$2
    shift 2
    for archive in "$@"; do push "$port" "$archive"; done
    ;;
*) echo "usage: registry.sh serve DATA_DIR PORT | push PORT ARCHIVE..." >&2 && exit 2 ;;
esac
