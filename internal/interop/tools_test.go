//go:build interop

package interop_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/kload/kload/internal/foreign"
)

// provided skips the test where a tool is missing, and fails it under
// KLOAD_INTEROP=must and where packages cannot be had.
func provided(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("KLOAD_INTEROP") != "must":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

// folder returns the folder of packages.
func folder(t *testing.T, p foreign.Packages) string {
	t.Helper()
	dir, err := p.Folder(t.Context(), t.Logf)
	provided(t, err)
	return dir
}

func output(t *testing.T, c *exec.Cmd) []byte {
	t.Helper()
	out, err := foreign.Output(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// node returns a program of the folder node.
func node(t *testing.T, script string, args ...string) *program {
	t.Helper()
	return nodeIn(t, "node", script, args...)
}

// startNode runs the serve.js of a folder until the test ends and returns its
// endpoint.
func startNode(t *testing.T, dir string) (endpoint string) {
	t.Helper()
	var port int
	nodeIn(t, dir, "serve.js").start().read(&port)
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}

func nodeIn(t *testing.T, from, script string, args ...string) *program {
	t.Helper()
	lock := filepath.Join(from, "package-lock.json")
	dir := folder(t, foreign.Packages{
		Lock: lock, Tools: []string{"node", "npm"}, Hint: "Node.js and npm",
		Install: func(ctx context.Context, dir string) []*exec.Cmd {
			return []*exec.Cmd{
				exec.CommandContext(ctx, "cp", filepath.Join(from, "package.json"), lock, dir),
				exec.CommandContext(ctx, "npm", "ci", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund"),
			}
		},
	})
	p := newProgram(t, "node", append([]string{filepath.Join(from, script)}, args...)...)
	p.env("NODE_PATH", filepath.Join(dir, "node_modules"))
	return p
}

// python returns a program of the folder python.
func python(t *testing.T, script string, args ...string) *program {
	t.Helper()
	return newProgram(t, filepath.Join(venv(t), "python"), append([]string{"-X", "utf8", filepath.Join("python", script)}, args...)...)
}

// venv returns the folder of the executables that Python packages bring.
func venv(t *testing.T) string {
	t.Helper()
	const lock = "python/requirements.txt"
	dir := folder(t, foreign.Packages{
		Lock: lock, Tools: []string{"python3"}, Hint: "Python 3 with venv",
		Install: func(ctx context.Context, dir string) []*exec.Cmd {
			return []*exec.Cmd{
				exec.CommandContext(ctx, "python3", "-m", "venv", dir),
				exec.CommandContext(ctx, filepath.Join(dir, "bin", "pip"), "install", "--quiet", "--require-hashes", "--only-binary=:all:", "-r", lock),
			}
		},
	})
	return filepath.Join(dir, "bin")
}

// java returns a program of the folder java, which is compiled as it starts.
func java(t *testing.T, source string, args ...string) *program {
	t.Helper()
	return javaIn(t, "java", source, args...)
}

// javaIn returns a program of a folder with a pom.xml.
func javaIn(t *testing.T, from, source string, args ...string) *program {
	t.Helper()
	repository, classpath, err := foreign.Jars(t.Context(), from, t.Logf)
	provided(t, err)
	p := newProgram(t, "java", append([]string{
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-Djava.io.tmpdir=" + t.TempDir(),
		"-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-Dsqlite4java.library.path=" + filepath.Join(repository, "com/almworks/sqlite4java/libsqlite4java-linux-amd64/1.0.392"),
		filepath.Join(from, source),
	}, args...)...)
	p.env("CLASSPATH", classpath)
	return p
}
