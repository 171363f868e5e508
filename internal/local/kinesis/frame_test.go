package kinesis_test

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local/kinesis"
)

// FuzzFrame decodes frames with the SDK's decoder and compares with its encoder.
func FuzzFrame(f *testing.F) {
	f.Add("initial-response", []byte("{}"), false)
	f.Add("SubscribeToShardEvent", []byte(`{"Records":[]}`), false)
	f.Add("ResourceInUseException", []byte(`{"message":"x"}`), true)
	f.Add("", []byte{}, false)
	f.Fuzz(func(t *testing.T, kind string, payload []byte, exception bool) {
		if len(kind) > 1<<15-1 {
			return
		}
		frame := kinesis.Frame(kind, payload, exception)
		m, err := eventstream.NewDecoder().Decode(bytes.NewReader(frame), nil)
		if err != nil {
			t.Fatal(err)
		}
		message, name := "event", ":event-type"
		if exception {
			message, name = "exception", ":exception-type"
		}
		got := []string{m.Headers.Get(":message-type").String(), m.Headers.Get(name).String(), m.Headers.Get(":content-type").String(), string(m.Payload)}
		if diff := cmp.Diff([]string{message, kind, "application/x-amz-json-1.1", string(payload)}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		var again bytes.Buffer
		if err := eventstream.NewEncoder().Encode(&again, m); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(frame, again.Bytes()) {
			t.Errorf("the SDK encodes it as %q, not %q", again.Bytes(), frame)
		}
	})
}
