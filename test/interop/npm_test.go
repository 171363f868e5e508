//go:build interop

package interop_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// needNode makes the locked packages of dir available to node. Where node or npm
// is missing it skips the test, or fails it under KLOAD_INTEROP=must.
func needNode(t *testing.T, dir string) {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err == nil {
		return
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("installing the packages of %s: %v\n%s", dir, err, out)
	}
}

func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("KLOAD_INTEROP") == "must" {
		t.Fatalf("KLOAD_INTEROP=must: %v", err)
	}
	t.Skipf("install Node.js and npm to run this test: %v", err)
}

// startNode runs the serve.js of dir until the test ends and returns its
// endpoint.
func startNode(t *testing.T, dir string) string {
	t.Helper()
	needNode(t, dir)
	node := exec.CommandContext(t.Context(), "node", "serve.js")
	node.Dir = dir
	stdin, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	node.Stderr = os.Stderr
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = node.Wait() // it ends with its input
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("reading the port of %s: %v", dir, err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}
