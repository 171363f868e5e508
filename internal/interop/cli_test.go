//go:build interop

package interop_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommandLine goes with the AWS CLI through what a person would try first.
func TestCommandLine(t *testing.T) {
	cli := commandLine{t, filepath.Join(venv(t), "aws"), startTarget(t)}
	cli.run(nil, "create-stream", "--stream-name", "s", "--shard-count", "2")
	cli.run(nil, "wait", "stream-exists", "--stream-name", "s")
	var put struct {
		ShardID        string `json:"ShardId"`
		SequenceNumber string
	}
	cli.run(&put, "put-record", "--stream-name", "s", "--partition-key", "k", "--data", "hello",
		"--explicit-hash-key", "340282366920938463463374607431768211455")
	if put.ShardID != "shardId-000000000001" {
		t.Errorf("put into %s", put.ShardID)
	}
	var position struct{ ShardIterator string }
	cli.run(&position, "get-shard-iterator", "--stream-name", "s", "--shard-id", put.ShardID,
		"--shard-iterator-type", "AT_SEQUENCE_NUMBER", "--starting-sequence-number", put.SequenceNumber)
	var page struct {
		Records []struct{ Data, PartitionKey, SequenceNumber string }
	}
	cli.run(&page, "get-records", "--shard-iterator", position.ShardIterator)
	if len(page.Records) != 1 || page.Records[0].Data != "aGVsbG8=" || page.Records[0].SequenceNumber != put.SequenceNumber {
		t.Errorf("read %+v", page.Records)
	}
	cli.run(new(struct{}), "update-shard-count", "--stream-name", "s", "--target-shard-count", "4", "--scaling-type", "UNIFORM_SCALING")
	cli.run(nil, "wait", "stream-exists", "--stream-name", "s")
	var summary struct{ StreamDescriptionSummary struct{ OpenShardCount int } }
	cli.run(&summary, "describe-stream-summary", "--stream-name", "s")
	if n := summary.StreamDescriptionSummary.OpenShardCount; n != 4 {
		t.Errorf("%d shards, want 4", n)
	}
	cli.run(nil, "delete-stream", "--stream-name", "s")
	gone := cli.start("describe-stream", "--stream-name", "s")
	exit, ok := errors.AsType[*exec.ExitError](gone.finish())
	if !ok || exit.ExitCode() != 255 || !strings.Contains(gone.said(), "(ResourceNotFoundException)") {
		t.Errorf("after the end: %v\n%s", gone.err, gone.said())
	}
}

// commandLine runs aws kinesis.
type commandLine struct {
	*testing.T
	path   string
	target target
}

// run wants a command to succeed and decodes what it prints.
func (c commandLine) run(v any, args ...string) {
	c.Helper()
	p := c.start(args...)
	if v != nil {
		p.read(v)
	}
	p.done()
}

func (c commandLine) start(args ...string) *program {
	c.Helper()
	return newProgram(c.T, c.path, append([]string{"kinesis"}, args...)...).use(c.target).start()
}
