package conformance

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kload/kload/internal/awscbor"
)

func checkJSON(ctx context.Context, k *kit) {
	a := k.call(ctx, "ListStreams", obj{"Limit": 1})
	k.equal("Content-Type", a.header.Get("Content-Type"), jsonType)
	_, listed := a.members()["StreamNames"]
	k.must(listed, "want the member StreamNames, got %s", a)
}

func checkPath(ctx context.Context, k *kit) {
	a := k.wire.send(ctx, "ListStreams", []byte(`{"Limit":1}`), shape{path: "some/where"})
	k.must(a.err == nil && a.status == http.StatusOK, "POST to another path: want 200, got %s", a)
	a = k.wire.send(ctx, "", nil, shape{method: http.MethodGet, unsigned: true})
	k.must(a.err == nil && a.status == http.StatusForbidden && bytes.Contains(a.body, []byte("AccessDenied")),
		"GET: want 403 with AccessDenied, got %s", a)
}

func checkRequestIDs(ctx context.Context, k *kit) {
	seen := map[string]bool{}
	for _, op := range []string{"ListStreams", "ListStreams", "DescribeStream"} {
		a := k.try(ctx, op, obj{})
		if !k.ok() {
			return
		}
		id := a.header.Get("X-Amzn-Requestid")
		k.must(id != "" && a.header.Get("X-Amz-Id-2") != "", "%s: want x-amzn-RequestId and x-amz-id-2, got %q and %q",
			op, id, a.header.Get("X-Amz-Id-2"))
		k.must(!seen[id], "want a request id of its own for each answer, got %q twice", id)
		seen[id] = true
	}
}

func checkUnknownOperation(ctx context.Context, k *kit) {
	k.refused(ctx, "Nonsense", obj{}, "UnknownOperationException", "")
}

func checkMalformed(ctx context.Context, k *kit) {
	a := k.wire.send(ctx, "ListStreams", []byte(`{"Limit":`), shape{})
	k.must(a.err == nil && a.status == http.StatusBadRequest && a.Code == serialization,
		"half a document: want 400 %s, got %s", serialization, a)
	k.refused(ctx, "ListStreams", obj{"Limit": "x"}, serialization, "class java.lang.String can not be converted to an Integer")
}

func checkErrorBody(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	k.calm(ctx) // streams being deleted have a limit of their own
	a := k.try(ctx, "DescribeStream", obj{"StreamName": k.name()})
	for name := range a.members() {
		k.must(name == "__type" || name == "message", "want an error of __type and message, got the member %s", name)
	}
	k.must(len(a.members()) == 2, "want an error of __type and message, got %s", a)
	if !k.ok() {
		return
	}
	name, c := aws.String(stream), k.sdk.Data
	_, err := c.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String(k.name())})
	typed[*types.ResourceNotFoundException](k, "a missing stream", err)
	_, err = c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)})
	typed[*types.ResourceInUseException](k, "a taken name", err)
	_, err = c.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("x")})
	typed[*types.InvalidArgumentException](k, "a garbage iterator", err)
	_, err = c.ListStreams(ctx, &kinesis.ListStreamsInput{Limit: aws.Int32(0)})
	typed[*types.ValidationException](k, "a limit of 0", err)
	_, err = c.PutRecord(ctx, &kinesis.PutRecordInput{
		StreamName: name, Data: []byte("x"), PartitionKey: aws.String("k"), DryRun: aws.Bool(true),
	})
	typed[*types.DryRunOperationException](k, "a dry run", err)
	_, err = c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(k.name()), ShardCount: aws.Int32(int32(k.overQuota(ctx)))})
	typed[*types.LimitExceededException](k, "shards over the quota", err)
}

// typed checks which error the SDK makes of an answer.
func typed[E error](k *kit, what string, err error) {
	_, ok := errors.AsType[E](err)
	var want E
	k.must(ok, "%s: want the SDK's %T, got %v", what, want, err)
}

func checkUnsigned(ctx context.Context, k *kit) {
	a := k.wire.send(ctx, "ListStreams", []byte(`{"Limit":1}`), shape{unsigned: true})
	if a.status == http.StatusOK {
		other := k.wire.send(ctx, "ListStreams", []byte(`{"Limit":1}`), shape{foreign: true})
		k.must(other.status == http.StatusOK, "unsigned requests are served: want any credentials to do, got %s", other)
	} else {
		k.unsignedRefused(a)
	}
	if k.opts.Lab == nil {
		return
	}
	k.within(ctx, Setting{Signed: true}, func(o *kit) {
		o.unsignedRefused(o.wire.send(ctx, "ListStreams", []byte(`{"Limit":1}`), shape{unsigned: true}))
		o.call(ctx, "ListStreams", obj{"Limit": 1})
	})
}

func (k *kit) unsignedRefused(a answer) {
	k.must(a.status == http.StatusBadRequest && a.Code == "MissingAuthenticationTokenException",
		"without Authorization: want 400 MissingAuthenticationTokenException, got %s", a)
}

func checkMembers(ctx context.Context, k *kit) {
	k.call(ctx, "ListStreams", obj{"Limit": 1, "Unheard": obj{"of": []int{1}}})
	k.call(ctx, "ListStreams", obj{"Limit": nil, "ExclusiveStartStreamName": nil})
	k.refusedWith(ctx, "CreateStream", obj{"StreamName": nil, "ShardCount": 1}, validation, "Value null at 'streamName'", "Member must not be null")
}

func checkRegion(ctx context.Context, k *kit) {
	a := k.wire.send(ctx, "ListStreams", []byte(`{"Limit":1}`), shape{region: "eu-central-9"})
	if a.Code == "InvalidSignatureException" || a.Code == "UnrecognizedClientException" {
		k.skip("signatures are verified here")
	}
	k.must(a.err == nil && a.status == http.StatusOK, "signed for another region: want 200, got %s", a)
	if k.opts.Lab == nil {
		k.leave("another account id: needs a server started with one")
		return
	}
	k.within(ctx, Setting{Account: "123456789012"}, func(o *kit) {
		o.equal("the account in an ARN", o.account(ctx), "123456789012")
	})
}

func checkProtocols(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	for _, s := range []shape{{}, {http2: true}} {
		if !k.ok() {
			return
		}
		version := "HTTP/1.1"
		if s.http2 {
			version = "HTTP/2"
		}
		before := time.Now()
		a := k.wire.send(ctx, "PutRecord", []byte(`{"StreamName":"`+stream+`","PartitionKey":"k","Data":"AAAA"}`), s)
		k.must(a.err == nil && (a.status == http.StatusOK || a.Code == throttled), "PutRecord over %s: want 200, got %s", version, a)
		if !k.ok() {
			return
		}
		date, err := http.ParseTime(a.header.Get("Date"))
		k.must(err == nil && date.After(before.Add(-time.Minute)) && date.Before(before.Add(time.Minute)),
			"want a Date header within a minute of now, got %q", a.header.Get("Date"))
	}
	if strings.HasPrefix(k.wire.url, "http:") {
		k.leave("TLS: the endpoint is plain http")
	}
}

func checkBodySize(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	batch := func(n, extra int) answer {
		var recs []obj
		for i := range n {
			data := make([]byte, 1<<20-1)
			if i == 0 {
				data = data[:len(data)+extra]
			}
			recs = append(recs, obj{"Data": data, "PartitionKey": string(rune('a' + i))})
		}
		return k.try(ctx, "PutRecords", obj{"StreamName": stream, "Records": recs})
	}
	a := batch(10, 0)
	k.must(a.status == http.StatusOK, "PutRecords of 10 MiB: want 200, got %s", a)
	a = batch(14, 0) // 18.7 MB once in base64
	k.must(a.status == http.StatusRequestEntityTooLarge || a.status == http.StatusBadRequest && a.Code != "",
		"PutRecords of 14 MiB: want 413 or 400, got %s", a)
	k.call(ctx, "ListStreams", obj{"Limit": 1})
}

func checkCBOR(ctx context.Context, k *kit) {
	stream := k.common(ctx)
	put := k.put(ctx, stream, "k", "in json")
	at := k.recordAt(ctx, stream, put.ShardID, put.SequenceNumber)
	it := k.cbor(ctx, "GetShardIterator", 200, func(b []byte) []byte {
		b = awscbor.AppendText(awscbor.AppendText(b, "StreamName"), stream)
		b = awscbor.AppendText(awscbor.AppendText(b, "ShardId"), put.ShardID)
		b = awscbor.AppendText(awscbor.AppendText(b, "ShardIteratorType"), "AT_TIMESTAMP")
		return awscbor.AppendMillis(awscbor.AppendText(b, "Timestamp"), millis(at.ApproximateArrivalTimestamp))
	})
	got := k.cbor(ctx, "GetRecords", 200, func(b []byte) []byte {
		return awscbor.AppendText(awscbor.AppendText(b, "ShardIterator"), it.text["ShardIterator"])
	})
	i := -1
	for j, r := range got.records {
		if r.text["SequenceNumber"] == put.SequenceNumber {
			i = j
		}
	}
	k.must(i >= 0, "want record %s read in CBOR from its own time on", put.SequenceNumber)
	if k.ok() {
		r := got.records[i]
		k.equal("Data in CBOR", r.text["Data"], "in json")
		k.equal("PartitionKey in CBOR", r.text["PartitionKey"], "k")
		k.equal("ApproximateArrivalTimestamp in CBOR", r.ms, millis(at.ApproximateArrivalTimestamp))
	}
	bad := k.cbor(ctx, "DescribeStream", 400, func(b []byte) []byte {
		return awscbor.AppendText(awscbor.AppendText(b, "StreamName"), stream+"-none")
	})
	if k.ok() {
		k.equal("__type in CBOR", bad.text["__type"], notFound)
		k.equal("message in CBOR", bad.text["message"], k.under(ctx, stream+"-none")+" not found.")
	}
}

// cborMap is what checks look at of an answer in CBOR.
type cborMap struct {
	text    map[string]string // text and bytes
	ms      int64             // the arrival time
	records []cborMap
}

// cbor makes a call in CBOR; fill appends the members.
func (k *kit) cbor(ctx context.Context, op string, status int, fill func([]byte) []byte) (m cborMap) {
	if !k.ok() {
		return m
	}
	var a answer
	body := awscbor.AppendBreak(fill(awscbor.AppendOpenMap(nil)))
	for range 20 { // reads are limited
		a = k.wire.send(ctx, op, body, shape{media: cborType})
		if !bytes.Contains(a.body, []byte(throttled)) || !pause(ctx, 250*time.Millisecond) {
			break
		}
	}
	k.called(op)
	if a.err != nil || a.status != status || a.header.Get("Content-Type") != cborType {
		k.fail("%s in CBOR: want %d in %s, got %s in %s", op, status, cborType, a, a.header.Get("Content-Type"))
		return m
	}
	d := awscbor.NewDecoder(a.body)
	m = readCBOR(&d)
	k.must(d.Finish() == nil, "%s in CBOR: %v", op, d.Err())
	return m
}

func readCBOR(d *awscbor.Decoder) cborMap {
	m := cborMap{text: map[string]string{}}
	for n := d.Map(); d.Next(&n); {
		name := string(d.Text())
		switch kind := d.Peek(); {
		case name == "ApproximateArrivalTimestamp":
			m.ms = d.Millis()
		case name == "Records":
			for n := d.List(); d.Next(&n); {
				m.records = append(m.records, readCBOR(d))
			}
		case kind == awscbor.Text:
			m.text[name] = string(d.Text())
		case kind == awscbor.Bytes:
			m.text[name] = string(d.Bytes())
		default:
			d.Skip()
		}
	}
	return m
}

// millis returns a time in JSON, seconds since 1970, in milliseconds.
func millis(seconds float64) int64 { return int64(seconds*1000 + 0.5) }
