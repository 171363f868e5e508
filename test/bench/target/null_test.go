package target_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/kload/kload/internal/awscbor"
)

// nullVerb makes this binary the null server.
const nullVerb = "__null"

// entriesHeader tells the null server how many records a request has.
const entriesHeader = "X-Bench-Entries"

// nullServer drains requests and gives canned answers of the right size. It
// prints its endpoint, and ends when its input does.
func nullServer() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(os.Stdout, "http://%s\n", ln.Addr()); err != nil {
		return err
	}
	n := &null{page: map[bool][]byte{false: jsonPage(), true: cborPage()}}
	n.buffers.New = func() any { return new([1 << 20]byte) }
	go func() { _ = http.Serve(ln, n) }()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

type null struct {
	buffers sync.Pool
	answers sync.Map // by operation, encoding and entries
	page    map[bool][]byte
}

func (n *null) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	buf, _ := n.buffers.Get().(*[1 << 20]byte)
	for {
		if _, err := r.Body.Read(buf[:]); err != nil {
			break
		}
	}
	n.buffers.Put(buf)
	answer := n.answer(r)
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(answer))}
	w.Header()["Content-Type"] = r.Header["Content-Type"]
	_, _ = w.Write(answer) // the client may be gone
}

func (n *null) answer(r *http.Request) []byte {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	cbor := r.Header.Get("Content-Type") == awscbor.Media
	switch op {
	case "GetRecords":
		return n.page[cbor]
	case "PutRecord":
		return []byte(`{"SequenceNumber":"` + sequence + `","ShardId":"` + shardID + `"}`)
	}
	key := strconv.FormatBool(cbor) + r.Header.Get(entriesHeader)
	if canned, ok := n.answers.Load(key); ok {
		return canned.([]byte)
	}
	entries, _ := strconv.Atoi(r.Header.Get(entriesHeader))
	canned := receipts(entries, cbor)
	n.answers.Store(key, canned)
	return canned
}

const (
	sequence = "49674026002850188218576229259473476449429298564223254594"
	shardID  = "shardId-000000000000"
)

func receipts(entries int, cbor bool) []byte {
	if !cbor {
		one := `{"SequenceNumber":"` + sequence + `","ShardId":"` + shardID + `"},`
		return []byte(`{"FailedRecordCount":0,"Records":[` + strings.TrimSuffix(strings.Repeat(one, entries), ",") + `]}`)
	}
	b := awscbor.AppendInt(awscbor.AppendText(awscbor.AppendMap(nil, 2), "FailedRecordCount"), 0)
	b = awscbor.AppendList(awscbor.AppendText(b, "Records"), entries)
	for range entries {
		b = awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(b, 2), "SequenceNumber"), sequence)
		b = awscbor.AppendText(awscbor.AppendText(b, "ShardId"), shardID)
	}
	return b
}

// jsonPage and cborPage are answers to GetRecords of about 10 MiB of data.
func jsonPage() []byte {
	return []byte(`{"Records":[{"SequenceNumber":"` + sequence + `","Data":"` + strings.Repeat("a", 10<<20/3*4) + `"}]}`)
}

func cborPage() []byte {
	b := awscbor.AppendList(awscbor.AppendText(awscbor.AppendMap(nil, 1), "Records"), 1)
	b = awscbor.AppendMap(b, 1)
	return awscbor.AppendBytes(awscbor.AppendText(b, "Data"), make([]byte, 10<<20))
}
