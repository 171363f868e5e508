//go:build interop

package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/kload/kload/internal/awsclient"
)

// binary is kload, built for the tests.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kload-interop-")
	if err == nil {
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "kload")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", binary, "../../cmd/kload").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "building kload: %v\n", err)
		return 1
	}
	return m.Run()
}

// target is kload local as its announcement describes it.
type target struct {
	Endpoint string
	Env      map[string]string // what points AWS tools at it
	CAFile   string            `json:"ca_file"` // to be trusted; empty without TLS
}

// startTarget runs kload local, with the service's own limits and signatures
// checked, until the test ends.
func startTarget(t *testing.T, flags ...string) (at target) {
	t.Helper()
	p := newProgram(t, binary, append([]string{"local", "--listen", "127.0.0.1:0", "--auth", "sigv4", "--json"}, flags...)...)
	p.start().read(&at)
	t.Cleanup(func() {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("ending kload local: %v", err)
		}
		var last struct {
			Stats struct{ Requests map[string]int }
		}
		p.read(&last)
		if len(last.Stats.Requests) == 0 {
			t.Error("nobody called kload local")
		}
		p.done()
	})
	return at
}

// use points a program at a target, in the way that all AWS tools know.
func (p *program) use(at target) *program {
	for name, value := range at.Env {
		p.env(name, value)
	}
	if at.CAFile != "" { // what only AWS's own tools find in the environment
		p.env("NODE_EXTRA_CA_CERTS", at.CAFile)
		p.env("JDK_JAVA_OPTIONS", "-Djavax.net.ssl.trustStorePassword=changeit -Djavax.net.ssl.trustStore="+trustStore(p.T, at.CAFile))
	}
	return p
}

// trustStore makes a Java key store of a certificate, where there is a JDK.
func trustStore(t *testing.T, certificate string) string {
	t.Helper()
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		return ""
	}
	store := filepath.Join(t.TempDir(), "trust.p12")
	output(t, exec.CommandContext(t.Context(), keytool, "-importcert", "-noprompt", "-storetype", "PKCS12",
		"-storepass", "changeit", "-alias", "kload", "-file", certificate, "-keystore", store))
	return store
}

// newClient returns kload's own client, configured as for AWS.
func (at target) newClient(t *testing.T) *awsclient.Client {
	t.Helper()
	for name, value := range at.Env {
		t.Setenv(name, value)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	return newClient(t, awsclient.Options{Endpoint: at.Endpoint})
}

func newClient(t *testing.T, o awsclient.Options) *awsclient.Client {
	t.Helper()
	c, err := awsclient.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
