//go:build unix

package producer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/kload/kload/internal/foreign"
	"github.com/kload/kload/test/bench/rows"
)

// kplPrograms is the folder of the program that uses the KPL.
const kplPrograms = "../../../internal/interop/java"

const (
	// kplOutstanding is how many records the KPL may have at once. With fewer it waits
	// for aggregates to be due, with more it takes as much processor time.
	kplOutstanding = 10_000
	// kplRecords is how many records it puts at least: its processor time comes in
	// ticks of 10 ms.
	kplRecords = 5_000
)

const (
	unitJVM    = "jvm-cpu-ns/record"
	unitNative = "native-cpu-ns/record"
)

// prepareKPL downloads the KPL, where it can run.
func prepareKPL(t *testing.T) (env []string, err error) {
	if runtime.GOOS != "linux" {
		return nil, errors.New("the KPL's processor time is read as Linux tells it")
	}
	_, classpath, err := foreign.Jars(t.Context(), kplPrograms, t.Logf)
	return []string{"CLASSPATH=" + classpath}, err
}

// kplRow measures the KPL on as many records of each size, 300,000 of 150 MB: what
// they cost goes by the record, and the JVM's compiler needs so many.
func kplRow(name string, size int) rows.Row {
	return rows.Row{
		Name: name, Procs: runtime.NumCPU(), Share: size / 5, Prepare: prepareKPL,
		Run: func(ctx context.Context, e *rows.Env) (*rows.Figures, error) { return putKPL(ctx, e, size) },
	}
}

// putKPL lets the KPL put the records: a JVM with the library and the native
// process that it starts, on all processors. Their processor time is counted, this
// process's own is not. KplBench.java has the settings.
func putKPL(ctx context.Context, e *rows.Env, size int) (*rows.Figures, error) {
	server, err := url.Parse(e.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("reading the server's address: %w", err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(e.CAFile), "kpl-") // which goes even if we are killed
	if err != nil {
		return nil, fmt.Errorf("making a folder for the KPL's executable: %w", err)
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, "java",
		"-Xmx1g", "-Djava.io.tmpdir="+dir, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		filepath.Join(kplPrograms, "KplBench.java"), "s", server.Hostname(), server.Port(), e.CAFile,
		strconv.Itoa(max(e.Bytes/size, kplRecords)), strconv.Itoa(size), strconv.Itoa(kplOutstanding))
	stdin, err := cmd.StdinPipe() // it ends with us, however that is
	if err != nil {
		return nil, fmt.Errorf("starting the KPL: %w", err)
	}
	defer stdin.Close()
	out, err := foreign.Output(cmd)
	if err != nil {
		return nil, err
	}
	var took struct {
		Records int
		JVM     time.Duration `json:"jvm_ns"`
		Native  time.Duration `json:"native_ns"`
	}
	if err := json.Unmarshal(out, &took); err != nil {
		return nil, fmt.Errorf("reading what the KPL took: %w", err)
	}
	f := rows.Of(took.JVM+took.Native, took.Records, size)
	f.Values[unitJVM] = float64(took.JVM) / float64(took.Records)
	f.Values[unitNative] = float64(took.Native) / float64(took.Records)
	return f, nil
}
