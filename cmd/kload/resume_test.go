package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/jsonfield"
	localkinesis "github.com/kload/kload/internal/local/kinesis"
)

// kills is how often a replay is killed on its way.
const kills = 20

// TestKilledReplaysResume kills a replay twenty times at random points and resumes
// it each time: every trip is in the stream at the end.
func TestKilledReplaysResume(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	target, err := localkinesis.New(localkinesis.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(target)
	defer server.Close()
	api, err := awsclient.New(t.Context(), awsclient.Options{Local: true, Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	if _, err := api.Control.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("taxi"), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(7, 7))
	dir, resumable := t.TempDir(), ""
	first := []string{
		"replay", "--rate", "250/s", "--aggregate=false", "--newline", "keep", "--stream", "taxi", "--target", "aws", "--set", "target.endpoint=" + server.URL,
		"--set", "target.region=us-east-1", "--set", "stream.create=false", "--set", "consumers={}", "--set", "expect=[]", "--set", "load.trips.trace=none",
	}
	for life := 0; ; life++ {
		args := first
		if resumable != "" {
			args = []string{"replay", "--resume", resumable}
		}
		patience := time.Duration(100+random.IntN(1700)) * time.Millisecond
		if life >= kills {
			patience = time.Minute
			args = append(args, "--set", "load.trips.source.replay.rate=2k/s")
		}
		out := filepath.Join(dir, fmt.Sprint(life))
		killed := liveAndDie(t, append(args, "--out", out), patience)
		if !killed {
			if life < kills {
				t.Fatalf("the replay was over after %d kills", life)
			}
			break
		}
		if _, err := os.Stat(filepath.Join(out, "scenario.resolved.yaml")); err == nil {
			resumable = out
		}
	}
	trips, records := readTrips(t, api.Data)
	if len(trips) != 5000 {
		t.Errorf("%d of 5000 trips are in the stream", len(trips))
	}
	t.Logf("%d kills: %d records, %d of them repeated", kills, records, records-len(trips))
	// Each kill repeats what follows the last checkpoint: about a second.
	if most := kills * 2 * 250; records-len(trips) > most {
		t.Errorf("%d records are repeated, more than %d", records-len(trips), most)
	}
}

// liveAndDie runs kload, kills it by its process id when it lasts longer, and
// reports whether it had to.
func liveAndDie(t *testing.T, args []string, patience time.Duration) (killed bool) {
	t.Helper()
	exe, err := exec.LookPath("kload") // testscript put a copy of this binary there
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, args...) // kills its process
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret", "AWS_EC2_METADATA_DISABLED=true")
	err = cmd.Run()
	if ctx.Err() != nil {
		return true
	}
	if err != nil {
		t.Fatalf("kload %q: %v\n%s", args, err, stderr.String())
	}
	return false
}

// readTrips reads all there is in the stream, and tells trips by their ids.
func readTrips(t *testing.T, api *kinesis.Client) (trips map[string]int, records int) {
	t.Helper()
	trips = map[string]int{}
	shards, err := awsclient.ListShards(t.Context(), api, "taxi")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shards {
		at, err := api.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: aws.String("taxi"), ShardId: aws.String(s.ID), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		for next := at.ShardIterator; ; {
			got, err := api.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
			if throttled := (*types.ProvisionedThroughputExceededException)(nil); errors.As(err, &throttled) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range got.Records {
				id, ok := jsonfield.Find(r.Data, "trip_id")
				if !ok {
					t.Fatalf("no trip: %s", r.Data)
				}
				trips[string(id)]++
				records++
			}
			if len(got.Records) == 0 && aws.ToInt64(got.MillisBehindLatest) == 0 {
				break
			}
			next = got.NextShardIterator
		}
	}
	return trips, records
}
