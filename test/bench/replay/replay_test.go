//go:build linux

package replay_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/pierrec/lz4/v4"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/local"
	"github.com/kload/kload/replay/builtin"
	"github.com/kload/kload/test/bench/machine"
)

// rounds of a full run; medians are of as many samples.
const rounds = 5

// copies of the built-in trips in the data, in a full run and otherwise.
const (
	fullCopies = 200
	tinyCopies = 1
)

func TestMain(m *testing.M) {
	var err error
	switch verb := append(os.Args, "")[1]; verb {
	case local.ChildVerb:
		err = local.Child(os.Stdin, os.Stdout)
	case rowVerb:
		err = measure(os.Args[2:])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bar is what a row promises.
type bar struct {
	unit    string
	atLeast float64
	atMost  float64
}

// TestReplay measures, in tiny sizes unless KLOAD_BENCH=full.
func TestReplay(t *testing.T) {
	out, copies, n, turn := io.Discard, tinyCopies, 1, 20*time.Millisecond
	if os.Getenv("KLOAD_BENCH") == "full" {
		out, copies, n, turn = os.Stdout, fullCopies, rounds, 500*time.Millisecond
	}
	dir := t.TempDir()
	for name, data := range trips(t, copies) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	endpoint := bucket(t, dir)
	rows := []struct {
		name string
		args []string
		bars []bar
	}{
		{"floor", []string{"floor", filepath.Join(dir, "trips.json.lz4")}, nil},
		{"file", []string{"asap", "file://" + dir}, []bar{{"rows/cpu-s", 2e6, 0}}},
		{"s3", []string{"asap", "s3://trips", endpoint}, nil},
		{"first-of-file", []string{"first", "file://" + dir}, []bar{{"ms-to-first", 0, 100}}},
		{"first-of-s3", []string{"first", "s3://trips", endpoint}, []bar{{"ms-to-first", 0, 250}}},
		{"at-10k-of-file", []string{"10k", "file://" + dir}, []bar{{"MiB-peak", 0, 64}}},
		{"at-10k-of-s3", []string{"10k", "s3://trips", endpoint}, []bar{{"MiB-peak", 0, 64}}},
	}
	machine.Describe(t.Context(), out, "make bench-replay")
	samples, paces := map[string][]float64{}, rates()
	for range n {
		for _, r := range rows {
			for unit, v := range child(t, r.args...) {
				if v <= 0 {
					t.Errorf("%s: %v %s", r.name, v, unit)
				}
				samples[r.name+" "+unit] = append(samples[r.name+" "+unit], v)
				fmt.Fprintf(out, "BenchmarkReplay/%s-%d \t1\t%12.5g %s\n", r.name, runtime.GOMAXPROCS(0), v, unit)
			}
		}
		for _, p := range paces {
			for range p.times {
				p.round(t, out, turn)
			}
		}
	}
	fmt.Fprintf(out, "\nmedians of %d\n", n)
	for _, r := range rows {
		for _, b := range r.bars {
			v := median(samples[r.name+" "+b.unit])
			promise, kept := fmt.Sprintf("at least %g", b.atLeast), v >= b.atLeast
			if b.atMost > 0 {
				promise, kept = fmt.Sprintf("at most %g", b.atMost), v <= b.atMost
			}
			fmt.Fprintf(out, "%-16s %12.5g %-12s %s: %s\n", r.name, v, b.unit, promise, verdict(kept))
		}
	}
	fmt.Fprintf(out, "of the floor: %.0f %%\n", 100*median(samples["file rows/cpu-s"])/median(samples["floor rows/cpu-s"]))
	for _, p := range paces {
		p.report(out)
	}
}

func verdict(kept bool) string {
	if kept {
		return "kept"
	}
	return "MISSED"
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// child measures one row.
func child(t *testing.T, args ...string) map[string]float64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{rowVerb}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	values := map[string]float64{}
	if err = errors.Join(err, json.Unmarshal(out, &values)); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return values
}

// trips is the built-in data so many times, in one object, as lz4 -1 leaves it.
func trips(t *testing.T, copies int) map[string][]byte {
	t.Helper()
	data, err := builtin.Open("nyc-taxi")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	err = fs.WalkDir(data, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".lz4") {
			return err
		}
		packed, err := fs.ReadFile(data, name)
		if err != nil {
			return err
		}
		_, err = io.Copy(&text, lz4.NewReader(bytes.NewReader(packed)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := lz4.NewWriter(&packed)
	for range copies {
		if _, err := w.Write(text.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"trips.json.lz4": packed.Bytes()}
}

// bucket starts a target with the files as bucket trips.
func bucket(t *testing.T, dir string) (endpoint string) {
	t.Helper()
	target, err := local.Start(t.Context(), local.Config{Buckets: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := target.Stop(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	client, err := awsclient.NewS3(t.Context(), awsclient.Options{Local: true, Endpoint: target.Endpoint()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	name, key := aws.String("trips"), aws.String("trips.json.lz4")
	if _, err := client.API.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: name}); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(filepath.Join(dir, *key))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := client.API.PutObject(t.Context(), &s3.PutObjectInput{Bucket: name, Key: key, Body: file}); err != nil {
		t.Fatal(err)
	}
	return target.Endpoint()
}
