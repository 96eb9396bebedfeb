//go:build tools

// Package tools pins crictl, the client of the CRI socket that the tests use.
package tools

import (
	_ "sigs.k8s.io/cri-tools/cmd/crictl"
)
