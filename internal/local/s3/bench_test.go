//go:build unix

package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kload/kload/internal/local/s3"
	"github.com/kload/kload/internal/proc"
)

// transfer repeats a request and, where that is over size bytes, reports CPU
// seconds per GB.
func transfer(b *testing.B, size int64, client *http.Client, request func() (*http.Request, error)) {
	b.SetBytes(size)
	before := proc.CPUTime().Seconds()
	for b.Loop() {
		r, err := request()
		if err != nil {
			b.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status)
		}
	}
	if size > 0 {
		b.ReportMetric((proc.CPUTime().Seconds()-before)/(float64(b.N)*float64(size)/1e9), "cpu-s/GB")
	}
}

func BenchmarkGet(b *testing.B) {
	const size = 64 << 20
	dir := b.TempDir()
	e := serve(b, s3.Config{Dir: dir}, httptest.NewServer)
	if err := os.WriteFile(filepath.Join(dir, bucket, "k"), noise(size), 0o600); err != nil {
		b.Fatal(err)
	}
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(dir, r.URL.Path))
	}))
	b.Cleanup(bare.Close)
	e.request(b, "HEAD", "/data/k", "") // works out the ETag
	for name, url := range map[string]string{"ours": e.url, "ServeFile": bare.URL} {
		b.Run(name, func(b *testing.B) {
			transfer(b, size, e.http, func() (*http.Request, error) { return http.NewRequest("GET", url+"/data/k", nil) })
		})
	}
}

func BenchmarkPut(b *testing.B) {
	const size = 64 << 20
	data := noise(size)
	e := serve(b, s3.Config{}, httptest.NewServer)
	bare := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		f, err := os.Create(filepath.Join(e.dir, "bare"))
		if err == nil {
			_, err = io.Copy(f, r.Body)
		}
		if err != nil || f.Close() != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	b.Cleanup(bare.Close)
	for name, url := range map[string]string{"ours": e.url, "os.Create": bare.URL} {
		b.Run(name, func(b *testing.B) {
			transfer(b, size, e.http, func() (*http.Request, error) {
				return http.NewRequest("PUT", url+"/data/k", bytes.NewReader(data))
			})
		})
	}
}

func BenchmarkPutSmall(b *testing.B) {
	e := serve(b, s3.Config{}, httptest.NewServer)
	n := 0
	transfer(b, 0, e.http, func() (*http.Request, error) {
		n++
		return http.NewRequest("PUT", fmt.Sprintf("%s/data/%d/%d", e.url, n/1000, n), bytes.NewReader(make([]byte, 1000)))
	})
}

// BenchmarkList reads one page of 1000 in the middle of a folder of 100,000 files.
func BenchmarkList(b *testing.B) {
	e := serve(b, s3.Config{}, httptest.NewServer)
	for i := range 100_000 {
		f, err := os.Create(filepath.Join(e.dir, bucket, fmt.Sprintf("object-%06d", i)))
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(e.dir, bucket), long, long); err != nil {
		b.Fatal(err)
	}
	e.request(b, "GET", "/data?list-type=2&start-after=object-050000", "") // works out ETags
	transfer(b, 0, e.http, func() (*http.Request, error) {
		return http.NewRequest("GET", e.url+"/data?list-type=2&start-after=object-050000", nil)
	})
}
