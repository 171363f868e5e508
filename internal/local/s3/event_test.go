package s3_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local/s3"
)

func TestEvents(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	events := make(chan s3.Event, 10)
	cancel := e.server.Subscribe(func(ev s3.Event) { events <- ev })
	etag := strings.Trim(*e.put(t, "raw/1", "hello").ETag, `"`)
	if _, err := e.CopyObject(t.Context(), &awss3.CopyObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("standard/1"), CopySource: aws.String("data/raw/1"),
	}); err != nil {
		t.Fatal(err)
	}
	id := e.begin(t, "parts", "", "")
	whole, err := e.complete(t, "parts", id, e.part(t, "parts", id, 1, []byte("x"), ""))
	if err != nil {
		t.Fatal(err)
	}
	// Neither of these creates an object.
	e.request(t, "PUT", "/data/refused", "x", "Content-Md5", "AAAAAAAAAAAAAAAAAAAAAA==")
	e.request(t, "DELETE", "/data/raw/1", "")
	want := []s3.Event{
		{Name: "ObjectCreated:Put", Bucket: bucket, Key: "raw/1", Size: 5, ETag: etag, Sequencer: 1},
		{Name: "ObjectCreated:Copy", Bucket: bucket, Key: "standard/1", Size: 5, ETag: etag, Sequencer: 2},
		{Name: "ObjectCreated:CompleteMultipartUpload", Bucket: bucket, Key: "parts", Size: 1, ETag: strings.Trim(*whole.ETag, `"`), Sequencer: 3},
	}
	var got []s3.Event
	for range want {
		ev := <-events
		if ev.Time.IsZero() {
			t.Errorf("%s has no time", ev.Key)
		}
		ev.Time = want[0].Time
		got = append(got, ev)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	cancel()
	cancel()
	e.put(t, "later", "")
	if s := e.server.Stats(); len(events) != 0 || s.Created != 4 || s.Deleted != 1 || s.EventsDropped != 0 {
		t.Errorf("after the end of the subscription: %d events, %+v", len(events), s)
	}
}

// Subscribers that stand still lose events and hold nobody up; those that do not
// hear of each version in the order in which they became visible.
func TestSlowSubscriber(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	release := make(chan struct{})
	defer e.server.Subscribe(func(s3.Event) { <-release })()
	defer close(release)
	var mu sync.Mutex
	last := map[string]string{}
	var order []uint64
	heard := make(chan struct{}, 4000)
	defer e.server.Subscribe(func(ev s3.Event) {
		mu.Lock()
		defer mu.Unlock()
		last[ev.Key] = ev.ETag
		order = append(order, ev.Sequencer)
		heard <- struct{}{}
	})()
	const writers, each = 4, 300
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				e.put(t, "shared", fmt.Sprint(w, n))
			}
		})
	}
	wg.Wait()
	for range writers * each {
		<-heard
	}
	_, out := e.get(t, "shared")
	mu.Lock()
	defer mu.Unlock()
	if `"`+last["shared"]+`"` != *out.ETag || !slices.IsSorted(order) {
		t.Errorf("the last event says %s, the object is %s", last["shared"], *out.ETag)
	}
	if dropped := e.server.Stats().EventsDropped; dropped == 0 || dropped > writers*each-1024 {
		t.Errorf("%d events were dropped", dropped)
	}
}
