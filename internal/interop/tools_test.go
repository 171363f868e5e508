//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// installing bounds one download of packages.
const installing = 5 * time.Minute

// need skips the test where a tool is missing, or fails it under
// KLOAD_INTEROP=must.
func need(t *testing.T, hint string, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("KLOAD_INTEROP") == "must" {
				t.Fatalf("KLOAD_INTEROP=must: %v", err)
			}
			t.Skipf("install %s to run this test: %v", hint, err)
		}
	}
}

// packages returns a folder that holds what install puts there. It is made once
// per content of the lock file and version of the tool.
func packages(t *testing.T, lock string, version []string, install func(dir string) []*exec.Cmd) string {
	t.Helper()
	text, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	sum.Write(text)
	sum.Write(output(t, exec.CommandContext(t.Context(), version[0], version[1:]...)))
	dir := filepath.Join(cacheDir(t), fmt.Sprintf("%s-%x", filepath.Dir(lock), sum.Sum(nil)[:8]))
	defer lockFile(t, dir+".lock")()
	done := filepath.Join(dir, ".installed")
	if _, err := os.Stat(done); err == nil {
		return dir
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), installing)
	defer cancel()
	for _, c := range install(dir) {
		c := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
		t.Logf("once per lock file: %s", c)
		output(t, c)
	}
	if err := os.WriteFile(done, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func cacheDir(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "kload-ci", "interop")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// lockFile keeps other test processes out until the returned function is called.
func lockFile(t *testing.T, name string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { f.Close() }
}

func output(t *testing.T, c *exec.Cmd) []byte {
	t.Helper()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("running %s: %v\n%s%s", c, err, out, &stderr)
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
	need(t, "Node.js and npm", "node", "npm")
	lock := filepath.Join(from, "package-lock.json")
	dir := packages(t, lock, []string{"node", "--version"}, func(dir string) []*exec.Cmd {
		return []*exec.Cmd{
			exec.Command("cp", filepath.Join(from, "package.json"), lock, dir),
			exec.Command("npm", "ci", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund"),
		}
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
	need(t, "Python 3 with venv", "python3")
	dir := packages(t, "python/requirements.txt", []string{"python3", "--version"}, func(dir string) []*exec.Cmd {
		pip := filepath.Join(dir, "bin", "pip")
		return []*exec.Cmd{
			exec.Command("python3", "-m", "venv", dir),
			exec.Command(pip, "install", "--quiet", "--require-hashes", "--only-binary=:all:", "-r", "python/requirements.txt"),
		}
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
	dir := jars(t, from)
	classpath, err := os.ReadFile(filepath.Join(dir, "classpath"))
	if err != nil {
		t.Fatal(err)
	}
	p := newProgram(t, "java", append([]string{
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-Djava.io.tmpdir=" + t.TempDir(),
		"-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-Dsqlite4java.library.path=" + filepath.Join(dir, "repository/com/almworks/sqlite4java/libsqlite4java-linux-amd64/1.0.392"),
		filepath.Join(from, source),
	}, args...)...)
	p.env("CLASSPATH", string(classpath))
	return p
}

// jars returns the folder with what the programs of a folder run with.
func jars(t *testing.T, from string) (dir string) {
	t.Helper()
	need(t, "a JDK, 17 or later, and Maven", "java", "javac", "mvn")
	pom := filepath.Join(from, "pom.xml")
	return packages(t, pom, []string{"java", "--version"}, func(dir string) []*exec.Cmd {
		return []*exec.Cmd{exec.Command("mvn", "--batch-mode", "--quiet", "--file", pom,
			"-Dmaven.repo.local="+filepath.Join(dir, "repository"),
			"dependency:build-classpath", "-Dmdep.outputFile="+filepath.Join(dir, "classpath"))}
	})
}
