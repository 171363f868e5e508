package scenarios_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// matrixOf is a scenario with a matrix over a load of a second.
func matrixOf(matrix string, more ...string) string {
	return scenario(append(more, "vars: {n: 10}", events("rate: '${n}/s', total: 10"), "expect: [reader.ok == 10]", "matrix: "+matrix)...)
}

// runMatrix carries a matrix out in memory and says in one line per cell how it
// went.
func runMatrix(ctx context.Context, t *testing.T, src string) (m *results.Matrix, dir string, cells []string) {
	t.Helper()
	s, err := scenarios.Decode("test.yaml", []byte(src), scenarios.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "matrix")
	m, err = scenarios.RunMatrix(ctx, s, scenarios.RunOptions{Out: dir, Memories: func() scenarios.Network { return newNetwork() }})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Cells {
		how := "skipped"
		switch {
		case c.Summary != nil:
			how = string(c.Summary.Verdict)
		case c.Search != nil:
			how = fmt.Sprintf("%s %.0f", c.Search.Outcome, c.Search.Held)
		case c.Error != "":
			how = "error"
		}
		cells = append(cells, fmt.Sprintf("%s: %s %d", c.Name, how, c.ExitCode))
	}
	return m, dir, cells
}

func TestMatrix(t *testing.T) {
	tests := []struct {
		name, src string
		want      []string
		exit      int
	}{
		{
			"all combinations, the last fastest", matrixOf("{stream.shards: [1, 2], load.events.trace: [tag, prefix]}"),
			[]string{"01-shards-1-trace-tag: pass 0", "02-shards-1-trace-prefix: pass 0", "03-shards-2-trace-tag: pass 0", "04-shards-2-trace-prefix: pass 0"},
			0,
		},
		{
			"one that fails does not end the rest", matrixOf("{load.events.total: [10, 5, 10]}"),
			[]string{"01-total-10: pass 0", "02-total-5: fail 3", "03-total-10: pass 0"},
			3,
		},
		{
			"one that cannot be run does not either", matrixOf("{target.process: [shared], load.events.pacing: [spin, efficient]}"),
			[]string{"01-process-shared-pacing-spin: error 2", "02-process-shared-pacing-efficient: pass 0"},
			2,
		},
		{
			"stop_when skips the rest of a row", matrixOf("{stream.shards: [1, 2], vars.n: [10, 20, 40, 80]}", "stop_when: events.scheduled / wall_s > 15"),
			[]string{
				"01-shards-1-n-10: pass 0", "02-shards-1-n-20: pass 0", "03-shards-1-n-40: skipped 0", "04-shards-1-n-80: skipped 0",
				"05-shards-2-n-10: pass 0", "06-shards-2-n-20: pass 0", "07-shards-2-n-40: skipped 0", "08-shards-2-n-80: skipped 0",
			},
			0,
		},
		{
			"settings that end alike, and odd values", matrixOf("{load.events.ingress.kinesis.aggregation.max_bytes: [20KiB], load.events.ingress.kinesis.collection.max_bytes: [1MiB], target.latency: ['{put: 1ms}']}"),
			[]string{"01-load.events.ingress.kinesis.aggregation.max_bytes-20KiB-load.events.ingress.kinesis.collection.ma: pass 0"},
			0,
		},
		{
			"of searches", scenario(events("rate: 1/s"), "expect: [reader.lost == 0]", "matrix: {stream.shards: [1, 2]}",
				"search: {maximize: load.events.rate, from: 10/s, to: 20/s, hold: 1s, settle: 0s}"),
			[]string{"01-shards-1: above_to 20 0", "02-shards-2: above_to 20 0"},
			0,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, dir, got := runMatrix(t.Context(), t, tt.src)
				if d := cmp.Diff(tt.want, got); d != "" || m.ExitCode != tt.exit {
					t.Errorf("exit %d, want %d (-want +got)\n%s", m.ExitCode, tt.exit, d)
				}
				for _, c := range m.Cells {
					if c.Summary == nil {
						continue
					}
					if s, err := results.Load(filepath.Join(dir, c.Name)); err != nil || s.RunID != c.Summary.RunID {
						t.Errorf("%s: %v, %v", c.Name, s, err)
					}
				}
			})
		})
	}
}

func TestMatrixInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(4*time.Second, stop)
		m, _, got := runMatrix(ctx, t, matrixOf("{vars.n: [5, 2, 1]}"))
		want := []string{"01-n-5: pass 0", "02-n-2: interrupted 130"}
		if d := cmp.Diff(want, got); d != "" || m.ExitCode != 130 || !m.Interrupted {
			t.Errorf("exit %d (-want +got)\n%s", m.ExitCode, d)
		}
	})
}

func TestMatrixProblems(t *testing.T) {
	for want, src := range map[string]string{
		"test.yaml:8:1: matrix: stream.shards has no values":                                                                          matrixOf("{stream.shards: []}"),
		"matrix: there are more than 500 combinations":                                                                                matrixOf("{vars.n: [" + strings.Repeat("1, ", 501) + "1]}"),
		"test.yaml:8:1: matrix.stream.shards: 0: must be between 1 and 10000 (in cell 02-shards-0 of the matrix)":                     matrixOf("{stream.shards: [1, 0]}"),
		"a closed loop has no rate: answers set its pace (in cell 02-in_flight-5 of the matrix)":                                      matrixOf("{load.events.in_flight: [0, 5]}"),
		`test.yaml:4:56: load.events.rate: bad rate "x/s": a count is a number per time, such as 5k/s (in cell 02-n-x of the matrix)`: matrixOf("{vars.n: [5, x]}"),
		`unknown key "shrads" (did you mean "shards"?)`:                                                                               matrixOf("{stream.shrads: [1]}"),
		`bad name "stream..shards"`:                 matrixOf("{stream..shards: [1]}"),
		"stop_when: has no effect without a matrix": scenario("stop_when: reader.ok > 5"),
		`unknown name "nobody.ok"`:                  matrixOf("{stream.shards: [1]}", "stop_when: nobody.ok > 5"),
	} {
		_, err := scenarios.Decode("test.yaml", []byte(src), scenarios.OpenOptions{})
		var problems conf.Problems
		if !errors.As(err, &problems) || !strings.Contains(problems[0].Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	_, err := scenarios.Decode("test.yaml", []byte(matrixOf("{stream.shards: [1, 2]}")), scenarios.OpenOptions{Sets: []string{"stream.shards=4"}})
	if err == nil || !strings.Contains(err.Error(), "--set stream.shards has no effect: the matrix sets it in each cell") {
		t.Errorf("a setting that the matrix has: %v", err)
	}
}
