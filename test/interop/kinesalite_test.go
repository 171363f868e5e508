//go:build interop

package interop_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/results"
)

// TestKinesalite runs the aws target against a Kinesis-compatible service that
// no one here wrote, in a process of its own.
func TestKinesalite(t *testing.T) {
	endpoint := startNode(t, "kinesalite")
	kload := buildKload(t)
	streams := newClient(t, endpoint)

	t.Run("quickstart", func(t *testing.T) {
		s, code, stderr := runKload(t, kload, endpoint, "stream.name=fresh")
		if code != 0 {
			t.Fatalf("exit %d: %v\n%s", code, s.Reasons, stderr)
		}
		load, reader := s.Load["stocks"], s.Consumers["reader"]
		if load.Acked != 2000 || reader.ReadUnique != 2000 || reader.Lost+reader.Duplicates+reader.Misrouted+reader.Corrupt != 0 {
			t.Errorf("load %+v\nreader %+v", *load, *reader)
		}
		if names := listStreams(t, streams); len(names) != 0 {
			t.Errorf("streams left behind: %v", names)
		}
	})
	t.Run("losses are noticed", func(t *testing.T) {
		s, code, _ := runKload(t, kload, endpoint, "stream.name=lossy", "--inject", "drop=1@consumer:reader")
		if code != 3 || s.Consumers["reader"].Lost != 1 {
			t.Errorf("exit %d, lost %d; want 3 and 1", code, s.Consumers["reader"].Lost)
		}
	})
	t.Run("no such stream", func(t *testing.T) {
		_, code, stderr := runKload(t, kload, endpoint, "stream.name=absent", "--set", "stream.create=false")
		wantRefusal(t, code, stderr, "Stream absent under account")
	})
	t.Run("someone else's stream is used, never deleted", func(t *testing.T) {
		_, err := streams.Control.CreateStream(t.Context(), &kinesis.CreateStreamInput{
			StreamName: aws.String("theirs"), ShardCount: aws.Int32(2),
		})
		if err != nil {
			t.Fatal(err)
		}
		_, code, stderr := runKload(t, kload, endpoint, "stream.name=theirs")
		wantRefusal(t, code, stderr, "Stream theirs under account")
		s, code, stderr := runKload(t, kload, endpoint, "stream.name=theirs", "--set", "stream.create=false")
		if code != 0 {
			t.Errorf("using the stream: exit %d: %v\n%s", code, s.Reasons, stderr)
		}
		if names := listStreams(t, streams); len(names) != 1 {
			t.Errorf("streams: %v, want the one that was there", names)
		}
	})
}

func wantRefusal(t *testing.T, code int, stderr, text string) {
	t.Helper()
	if code != 5 || !strings.Contains(stderr, "kload: error: ") || !strings.Contains(stderr, "kload: hint: ") || !strings.Contains(stderr, text) {
		t.Errorf("exit %d, want 5 with an error about %q and a hint:\n%s", code, text, stderr)
	}
}

func buildKload(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kload")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../../cmd/kload").CombinedOutput(); err != nil {
		t.Fatalf("building kload: %v\n%s", err, out)
	}
	return path
}

// runKload runs a short quickstart against the endpoint.
func runKload(t *testing.T, kload, endpoint, set string, more ...string) (*results.Summary, int, string) {
	t.Helper()
	args := append([]string{
		"run", "quickstart", "--target", "aws", "--json", "--quiet", "--out", filepath.Join(t.TempDir(), "run"),
		"--set", "target.endpoint=" + endpoint, "--set", "target.region=us-east-1",
		"--set", "load.stocks.rate.profile.0.for=2s", "--set", set,
	}, more...)
	cmd := exec.CommandContext(t.Context(), kload, args...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_EC2_METADATA_DISABLED=true")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		t.Fatalf("running kload: %v", err)
	}
	s := new(results.Summary)
	if len(out) > 0 {
		if err := json.Unmarshal(out, s); err != nil {
			t.Fatalf("reading the summary: %v\n%s", err, out)
		}
	}
	return s, cmd.ProcessState.ExitCode(), stderr.String()
}

func newClient(t *testing.T, endpoint string) *awsclient.Client {
	t.Helper()
	c, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// listStreams returns the streams that exist, once none is being deleted.
func listStreams(t *testing.T, c *awsclient.Client) []string {
	t.Helper()
	for range 1000 {
		out, err := c.Control.ListStreams(t.Context(), &kinesis.ListStreamsInput{})
		if err != nil {
			t.Fatal(err)
		}
		if !anyDeleting(t.Context(), c, out.StreamNames) {
			return out.StreamNames
		}
	}
	t.Fatal("a stream stays in state DELETING")
	return nil
}

func anyDeleting(ctx context.Context, c *awsclient.Client, names []string) bool {
	for _, name := range names {
		out, err := c.Control.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(name)})
		if err != nil || out.StreamDescriptionSummary.StreamStatus == "DELETING" {
			return true
		}
	}
	return false
}
