//go:build unix

package consumer_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/test/bench/rows"
)

const (
	run          = 7
	keys         = 65_536
	packedSize   = 51_200 // the KPL's default for an aggregate
	perPage      = 20     // aggregates: answers of 1 MB
	shardID      = "shardId-000000000000"
	firstArrival = 1_787_036_486_712 // Unix milliseconds
)

// serve answers until standard input ends.
func serve() error {
	s := httptest.NewUnstartedServer(http.HandlerFunc(answer))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that ended in the middle of something
	s.StartTLS()
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := json.NewEncoder(os.Stdout).Encode(rows.Hello{Endpoint: s.URL, CA: string(ca)}); err != nil {
		return fmt.Errorf("saying hello: %w", err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// answer is a Kinesis of one shard that goes on for ever. The stream's name is
// the size of its user records; an iterator is the size and the number of a page.
func answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	media := r.Header.Get("Content-Type")
	in, err := parse(media, body)
	var out []byte
	switch _, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); operation {
	case "ListShards":
		media = "application/x-amz-json-1.1"
		out = fmt.Appendf(nil, `{"Shards":[{"ShardId":%q,"HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"340282366920938463463374607431768211455"},"SequenceNumberRange":{"StartingSequenceNumber":"1"}}]}`, shardID)
	case "GetShardIterator":
		media = "application/x-amz-json-1.1"
		out = fmt.Appendf(nil, `{"ShardIterator":"%s:0"}`, in["StreamName"])
	case "GetRecords":
		var size, page int
		if _, err = fmt.Sscanf(in["ShardIterator"], "%d:%d", &size, &page); err == nil {
			out = pageOf(size, page).encode(media)
		}
	}
	if err != nil || out == nil {
		http.Error(w, fmt.Sprintf("%v: %v", in, err), http.StatusNotImplemented)
		return
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	_, _ = w.Write(out) // the client notices
}

// parse returns the texts of a request.
func parse(media string, body []byte) (map[string]string, error) {
	in := map[string]string{}
	if media != awscbor.Media {
		var all map[string]any
		err := json.Unmarshal(body, &all)
		for name, v := range all {
			in[name] = fmt.Sprint(v)
		}
		return in, err
	}
	d := awscbor.NewDecoder(body)
	for m := d.Map(); d.Next(&m); {
		if name := string(d.Name()); name == "ShardIterator" || name == "StreamName" {
			in[name] = string(d.Text())
		} else {
			d.Skip()
		}
	}
	return in, nil
}

// page is one answer of GetRecords.
type page struct {
	next    string
	number  int
	records [][]byte
}

// pageOf packs user records that follow those of the page before.
func pageOf(size, number int) page {
	p := page{next: fmt.Sprintf("%d:%d", size, number+1), number: number}
	payload := payloadOf(size)
	var e kpl.Encoder
	var stamped []byte
	each := usersPerAggregate(size)
	for i := range perPage {
		e.Reset(make([]byte, 0, packedSize+packedSize/8))
		for j := range each {
			seq := uint64((number*perPage+i)*each + j)
			stamped, _ = trace.Prefix.AppendStamped(stamped[:0], payload, trace.Stamp{Run: run, Producer: 1, Seq: seq, T0: firstArrival * 1e6}) // any payload can carry it
			e.Add(keyOf(seq), kload.HashKey{}, false, nil, stamped)
		}
		p.records = append(p.records, e.Seal())
	}
	return p
}

// stampSize is what the trace adds to a payload.
const stampSize = 32

// usersPerAggregate is how many user records fill an aggregate.
func usersPerAggregate(size int) int { return packedSize / (size + 8 + 16 + 2) }

// payloadOf returns a payload that is, with its stamp, of the given size.
func payloadOf(size int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(size)))
	b := make([]byte, size-stampSize)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// keyOf spreads records over all keys, so that no cache holds them.
func keyOf(seq uint64) []byte { return fmt.Appendf(nil, "user-%011d", seq*40503%keys) }

func (p page) sequence(i int) string {
	return fmt.Sprintf("49590338271490256608559692538361571095921575%012d", p.number*perPage+i)
}

func (p page) encode(media string) []byte {
	if media == awscbor.Media {
		return p.cbor()
	}
	b := []byte(`{"Records":[`)
	for i, data := range p.records {
		b = fmt.Appendf(b, `{"SequenceNumber":%q,"ApproximateArrivalTimestamp":%d.712,"Data":"`, p.sequence(i), firstArrival/1000)
		b = base64.StdEncoding.AppendEncode(b, data)
		b = append(b, `","PartitionKey":"a"},`...)
	}
	return fmt.Appendf(b[:len(b)-1], `],"NextShardIterator":%q,"MillisBehindLatest":1000}`, p.next)
}

func (p page) cbor() []byte {
	b := awscbor.AppendList(awscbor.AppendText(awscbor.AppendMap(nil, 3), "Records"), len(p.records))
	for i, data := range p.records {
		b = awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(b, 4), "SequenceNumber"), p.sequence(i))
		b = awscbor.AppendMillis(awscbor.AppendText(b, "ApproximateArrivalTimestamp"), firstArrival)
		b = awscbor.AppendBytes(awscbor.AppendText(b, "Data"), data)
		b = awscbor.AppendText(awscbor.AppendText(b, "PartitionKey"), "a")
	}
	b = awscbor.AppendText(awscbor.AppendText(b, "NextShardIterator"), p.next)
	return awscbor.AppendInt(awscbor.AppendText(b, "MillisBehindLatest"), 1000)
}
