package scenarios_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/scenarios"
)

// TestJavaReplay reads the commands of workshops and samples as they are printed.
func TestJavaReplay(t *testing.T) {
	const partitioned = "artifacts/kinesis-analytics-taxi-consumer/taxi-trips-partitioned.json.lz4/dropoff_year=2018/"
	for _, tc := range []struct {
		command string
		want    []string // in the resolved scenario
		notes   []string
	}{
		{
			command: "-streamName beam-summit -streamRegion eu-west-1 -speedup 720 -objectPrefix " + partitioned,
			want: []string{
				"from: s3://aws-bigdata-blog/" + partitioned, "name: beam-summit", "region: eu-west-1", "speedup: 720", "create: false",
				"newline: keep", "watermarks: true", "payload: {}", "enabled: false", "trace: none", "kind: aws",
			},
			notes: []string{"watermarks are sent", "nothing is read back"},
		},
		{
			command: "-aggregate -streamName s -streamRegion eu-west-1 -noWatermark -bufferSize 100000 -maxOutstandingRecords 10000 -noBackpressure -statisticsFrequency 60000 -speedup 4320",
			want:    []string{"enabled: true", "watermarks: false", "reorder: 100k", "trace: tag"},
			notes:   []string{"-maxOutstandingRecords has no effect", "-noBackpressure has no effect", "-statisticsFrequency has no effect", "nothing is read back"},
		},
		{
			command: "-streamArn arn:aws-cn:kinesis:cn-north-1:123456789012:stream/taxi -bucketName b -bucketRegion us-east-1 -objectPrefix p/ -timestampAttributeName pickup_datetime -seek 2018-01-02T00:00:00.000Z -kinesisSenderThreads 4 -readerBufferSize=5000",
			want: []string{
				"name: taxi", "region: cn-north-1", "from: s3://b/p/", "timestamp: pickup_datetime", "seek: 2018-01-02T00:00:00Z",
				"watermarks: false", "n: 4G", "speedup: 6480", "reorder: 5k",
			},
			notes: []string{"-bucketRegion has no effect", "-kinesisSenderThreads has no effect", "nothing is read back"},
		},
		{
			command: "-region us-east-1 -bucket b -prefix taxi/ -stream t -adaptTime INVOCATION",
			want:    []string{"from: s3://b/taxi/", "name: t", "region: us-east-1", "timestamps: invocation", "speedup: 1440"},
			notes:   []string{"watermarks are sent", "nothing is read back"},
		},
		{command: "--streamName=x", want: []string{"name: x", "taxi-trips.json.lz4/"}, notes: []string{"watermarks", "nothing"}},
	} {
		o, notes, err := scenarios.JavaReplay(strings.Fields(tc.command))
		if err != nil {
			t.Errorf("%s: %v", tc.command, err)
			continue
		}
		for i, want := range tc.notes {
			if i >= len(notes) || !strings.Contains(notes[i], want) || len(notes) != len(tc.notes) {
				t.Errorf("%s: notes %q, want %q", tc.command, notes, tc.notes)
				break
			}
		}
		s, _, err := scenarios.OpenReplay(o, scenarios.OpenOptions{Target: "aws"})
		if err != nil {
			t.Errorf("%s: %v", tc.command, err)
			continue
		}
		text, err := s.Explain()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range tc.want {
			if !strings.Contains(strings.ReplaceAll(string(text), `"`, ""), want) {
				t.Errorf("%s: no %q in the resolved scenario", tc.command, want)
			}
		}
	}
	for _, command := range []string{"-streamArn taxi", "-streamArn arn:aws:sqs:eu-west-1:1:stream/x", "-streamName", "-streamName -aggregate", "-speedup=", "-aggregate=false", "-aggregate true", "-speed 5", "taxi", "-streamArn arn:aws:kinesis:eu-west-1:1:table/x"} {
		if _, _, err := scenarios.JavaReplay(strings.Fields(command)); !errors.Is(err, kload.ErrInvalid) {
			t.Errorf("%s: error %v", command, err)
		}
	}
}
