//go:build unix

package producer_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"runtime/metrics"
	"strconv"
	"syscall"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload/internal/awsclient"
)

// env is what the process of a row knows.
type env struct {
	endpoint, sink string
	roots          *x509.CertPool
	bytes          int // payload to move
}

func newEnv() (*env, error) {
	mb, err := strconv.ParseFloat(os.Getenv(megabyteVar), 64)
	if err != nil {
		return nil, fmt.Errorf("reading the amount of payload: %w", err)
	}
	ca, err := os.ReadFile(os.Getenv(caVar))
	if err != nil {
		return nil, fmt.Errorf("reading the server's certificate: %w", err)
	}
	e := &env{
		endpoint: os.Getenv(endpointVar), sink: os.Getenv(sinkVar),
		roots: x509.NewCertPool(), bytes: int(mb * 1e6),
	}
	e.roots.AppendCertsFromPEM(ca)
	return e, nil
}

// ours is kload's client.
func (e *env) ours(ctx context.Context) (*awsclient.Client, error) {
	return awsclient.New(ctx, awsclient.Options{Local: true, Endpoint: e.endpoint, RootCAs: e.roots})
}

// stock is the SDK as it comes.
func (e *env) stock() *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: &e.endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.TLSClientConfig.RootCAs = e.roots
		}),
	})
}

// figures are one measurement: values by unit, of n operations.
type figures struct {
	N      int
	Values map[string]float64
}

// mark is what this process has used at some moment.
type mark struct {
	at        time.Time
	cpu       time.Duration
	allocated uint64
	mutex     float64 // seconds that goroutines waited for mutexes
}

func now() mark {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(samples)
	return mark{at: time.Now(), cpu: cpuTime(), allocated: samples[0].Value.Uint64(), mutex: samples[1].Value.Float64()}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// since returns the figures of n records of the given payload each.
func (m mark) since(n, size int) *figures {
	end := now()
	cpu := end.cpu - m.cpu
	return &figures{N: n, Values: map[string]float64{
		"cpu-ns/record":  float64(cpu) / float64(n),
		"records/core-s": float64(n) / cpu.Seconds(),
		"cpu-s/GB":       cpu.Seconds() / float64(n) / float64(size) * 1e9,
		"B/record":       float64(end.allocated-m.allocated) / float64(n),
		// of the time of the goroutines that put and send: one and eight
		"%mutex-waits": 100 * (end.mutex - m.mutex) / end.at.Sub(m.at).Seconds() / 9,
	}}
}
