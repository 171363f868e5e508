//go:build unix

package producer_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/local/httpapi"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/test/bench/rows"
)

const (
	shards   = 16
	sequence = "49590338271490256608559692538361571095921575989136588898"
)

// serve answers until standard input ends.
func serve() error {
	certificate, pemText, err := newCertificate()
	if err != nil {
		return err
	}
	kinesis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	sink, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	go drop(sink)
	h, err := newNull()
	if err != nil {
		return err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler: h, Protocols: protocols, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
		ErrorLog: log.New(io.Discard, "", 0), // of clients that ended in the middle of something
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	me := rows.Hello{Endpoint: "https://" + kinesis.Addr().String(), Sink: sink.Addr().String(), CA: string(pemText)}
	if err := json.NewEncoder(os.Stdout).Encode(me); err != nil {
		return fmt.Errorf("saying hello: %w", err)
	}
	if err := server.ServeTLS(kinesis, "", ""); err != http.ErrServerClosed {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// drop reads connections and forgets what they send.
func drop(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			b := make([]byte, 1<<20)
			for {
				if _, err := c.Read(b); err != nil {
					_ = c.Close()
					return
				}
			}
		}()
	}
}

func newCertificate() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("making a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("making a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// null is a Kinesis of one stream that keeps nothing.
type null struct {
	shards  *shard.Map
	list    []byte
	buffers sync.Pool // of *[]byte
}

func newNull() (*null, error) {
	var all []shard.Shard
	var list []string
	for i, r := range shard.Split(shards) {
		id := fmt.Sprintf("shardId-%012d", i)
		all = append(all, shard.Shard{ID: id, Range: r, Open: true})
		list = append(list, fmt.Sprintf(`{"ShardId":%q,"HashKeyRange":{"StartingHashKey":%q,"EndingHashKey":%q},"SequenceNumberRange":{"StartingSequenceNumber":"1"}}`,
			id, shard.FormatHash(r.Start), shard.FormatHash(r.End)))
	}
	m, err := shard.NewMap(1, all)
	if err != nil {
		return nil, fmt.Errorf("mapping shards: %w", err)
	}
	return &null{shards: m, list: []byte(`{"Shards":[` + strings.Join(list, ",") + `]}`)}, nil
}

func (n *null) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := n.buffers.Get().(*[]byte)
	if !ok {
		p = new([]byte)
	}
	defer n.buffers.Put(p)
	body := slices.Grow((*p)[:0], int(r.ContentLength))[:r.ContentLength]
	*p = body
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return
	}
	media := r.Header.Get("Content-Type")
	var answer []byte
	switch action := r.Header.Get("X-Amz-Target"); {
	case strings.HasSuffix(action, ".ListShards"):
		media, answer = "application/x-amz-json-1.1", n.list
	case strings.HasSuffix(action, ".DescribeStreamSummary"): // the KPL asks who chooses the shard
		answer = []byte(`{"StreamDescriptionSummary":{"RecordDistributionStrategy":"USER_PARTITION_KEY"}}`)
	case media == awscbor.Media:
		answer = n.acceptCBOR(body)
	default:
		answer = n.acceptJSON(body)
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer) // the client notices
}

// acceptCBOR acknowledges every record in the shard of its hash key.
func (n *null) acceptCBOR(body []byte) []byte {
	b := awscbor.AppendOpenList(awscbor.AppendText(awscbor.AppendOpenMap(nil), "Records"))
	d := awscbor.NewDecoder(body)
	for m := d.Map(); d.Next(&m); {
		if string(d.Name()) != "Records" {
			d.Skip()
			continue
		}
		for l := d.List(); d.Next(&l); {
			b = awscbor.AppendText(awscbor.AppendText(awscbor.AppendMap(b, 2), "SequenceNumber"), sequence)
			b = awscbor.AppendText(awscbor.AppendText(b, "ShardId"), n.shardOf(&d))
		}
	}
	b = awscbor.AppendInt(awscbor.AppendText(awscbor.AppendBreak(b), "FailedRecordCount"), 0)
	return awscbor.AppendBreak(b)
}

// acceptJSON does what acceptCBOR does.
func (n *null) acceptJSON(body []byte) []byte {
	b := []byte(`{"FailedRecordCount":0,"Records":[`)
	l := httpapi.NewLexer(body)
	for l.Open('{'); l.Next('}'); {
		if string(l.Key()) != "Records" {
			l.Skip()
			continue
		}
		for l.Open('['); l.Next(']'); {
			b = fmt.Appendf(b, `{"SequenceNumber":%q,"ShardId":%q},`, sequence, n.shardOfJSON(&l))
		}
	}
	return append(bytes.TrimSuffix(b, []byte(",")), "]}"...)
}

// shardOfJSON reads one entry.
func (n *null) shardOfJSON(l *httpapi.Lexer) string {
	var key, hash []byte
	for l.Open('{'); l.Next('}'); {
		switch string(l.Key()) {
		case "PartitionKey":
			key = l.Text()
		case "ExplicitHashKey":
			hash = l.Text()
		case "Data":
			l.Base64Text() // skipped faster than others
		default:
			l.Skip()
		}
	}
	return n.locate(key, hash)
}

// shardOf reads one entry.
func (n *null) shardOf(d *awscbor.Decoder) string {
	var key, hash []byte
	for m := d.Map(); d.Next(&m); {
		switch string(d.Name()) {
		case "PartitionKey":
			key = d.Text()
		case "ExplicitHashKey":
			hash = d.Text()
		default:
			d.Skip()
		}
	}
	return n.locate(key, hash)
}

// locate returns the shard of an explicit hash key or else of a key.
func (n *null) locate(key, hash []byte) string {
	h, err := shard.ParseHashBytes(hash)
	if err != nil {
		h = shard.HashOf(key)
	}
	return n.shards.At(n.shards.Locate(h)).ID
}
