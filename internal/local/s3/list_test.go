package s3_test

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local/s3"
)

// listed returns all pages of a listing, common prefixes with a star.
func (e *endpoint) listed(t *testing.T, in awss3.ListObjectsV2Input) (keys []string, pages int) {
	t.Helper()
	in.Bucket = aws.String(bucket)
	p := awss3.NewListObjectsV2Paginator(e.Client, &in)
	for p.HasMorePages() {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pages++
		if n := len(page.Contents) + len(page.CommonPrefixes); in.MaxKeys != nil && n > int(*in.MaxKeys) {
			t.Fatalf("a page of %d has %d", *in.MaxKeys, n)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
		for _, o := range page.CommonPrefixes {
			keys = append(keys, *o.Prefix+"*")
		}
	}
	return keys, pages
}

// expected is what S3 lists, from its description: keys in the order of their
// bytes, rolled up at the first delimiter after the prefix.
func expected(all []string, prefix, delimiter, after string) (out []string) {
	for _, key := range slices.Sorted(slices.Values(all)) {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok || key <= after {
			continue
		}
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			whole := prefix + rest[:i+len(delimiter)]
			if key = whole + "*"; whole == after || slices.Contains(out, key) {
				continue
			}
		}
		out = append(out, key)
	}
	return out
}

func TestListings(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	all := []string{
		"a", "a/b", "a/b/c", "a/b.txt", "a.txt", "a-b", "a//x", "a/", "b/../c", "b/./c", "/lead", "~", "z/y/x/w", "z/y/x", "50%", "ünï/cödé",
		`back\slash`, "c:drive", ".kload~x", ".kload~x/y", "..", ".hidden", "d/e/", "d/e/f", "plus+space d",
	}
	for _, key := range all {
		e.put(t, key, key)
	}
	for _, empty := range []string{"empty", "z/empty/deeper"} {
		if err := os.MkdirAll(filepath.Join(e.dir, bucket, empty), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range all {
		if got, _ := e.get(t, key); got != key {
			t.Errorf("%q holds %q", key, got)
		}
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "z/y/x", "none/at/all", "/", ".kload~"} {
		for _, delimiter := range []string{"", "/", "b", "//"} {
			for _, after := range []string{"", "a/b", "zz"} {
				for _, size := range []int32{2, 1000} {
					got, _ := e.listed(t, awss3.ListObjectsV2Input{Prefix: &prefix, Delimiter: &delimiter, StartAfter: &after, MaxKeys: &size})
					want := expected(all, prefix, delimiter, after)
					slices.Sort(got)
					slices.Sort(want)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("prefix %q, delimiter %q, after %q, by %d (-want +got):\n%s", prefix, delimiter, after, size, diff)
					}
				}
			}
		}
	}
}

// A folder with more names than a listing holds at a time is listed completely,
// in order, without and with a delimiter.
func TestLargeFolder(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	var want []string
	for i := range 2500 {
		want = append(want, fmt.Sprintf("logs/%05d", i))
	}
	shuffled := slices.Clone(want)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(want), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	if err := os.MkdirAll(filepath.Join(e.dir, bucket, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, key := range shuffled {
		if err := os.WriteFile(filepath.Join(e.dir, bucket, key), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, delimiter := range []string{"", "/"} {
		got, pages := e.listed(t, awss3.ListObjectsV2Input{Prefix: aws.String("logs/"), Delimiter: &delimiter})
		if diff := cmp.Diff(want, got); diff != "" || pages != 3 {
			t.Errorf("%d pages (-want +got):\n%s", pages, diff)
		}
	}
	got, _ := e.listed(t, awss3.ListObjectsV2Input{Delimiter: aws.String("/")})
	if diff := cmp.Diff([]string{"logs/*"}, got); diff != "" {
		t.Error(diff)
	}
}

// What is kept of a large folder between pages must not outlive a change, by the
// endpoint or by hand.
func TestLargeFolderChanges(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	folder := filepath.Join(e.dir, bucket, "logs")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 1200 {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%04d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-time.Hour)
	count := func() int {
		t.Helper()
		long = long.Add(time.Minute) // it changes with each change, and is old enough to be relied on
		if err := os.Chtimes(folder, long, long); err != nil {
			t.Fatal(err)
		}
		first, _ := e.listed(t, awss3.ListObjectsV2Input{Prefix: aws.String("logs/")})
		again, _ := e.listed(t, awss3.ListObjectsV2Input{Prefix: aws.String("logs/")})
		if len(first) != len(again) {
			t.Errorf("listed %d, then %d", len(first), len(again))
		}
		return len(first)
	}
	if n := count(); n != 1200 {
		t.Fatalf("there are %d", n)
	}
	e.put(t, "logs/0000+", "")
	if err := os.Chtimes(folder, long, long); err != nil { // as if it had not changed
		t.Fatal(err)
	}
	if got, _ := e.listed(t, awss3.ListObjectsV2Input{Prefix: aws.String("logs/")}); len(got) != 1201 || got[1] != "logs/0000+" {
		t.Errorf("an object that was put is not listed among %d", len(got))
	}
	if err := os.Remove(filepath.Join(folder, "0007")); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 1200 {
		t.Errorf("after a removal by hand there are %d", n)
	}
}

func TestListingV1(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	for _, key := range []string{"a", "b/1", "b/2", "c"} {
		e.put(t, key, "")
	}
	in := &awss3.ListObjectsInput{Bucket: aws.String(bucket), Delimiter: aws.String("/"), MaxKeys: aws.Int32(2)}
	first, err := e.ListObjects(t.Context(), in)
	if err != nil || !*first.IsTruncated || *first.NextMarker != "b/" {
		t.Fatalf("first page: %+v, %v", first, err)
	}
	in.Marker = first.NextMarker
	second, err := e.ListObjects(t.Context(), in)
	if err != nil || *second.IsTruncated || len(second.Contents) != 1 || *second.Contents[0].Key != "c" || second.CommonPrefixes != nil {
		t.Errorf("second page: %+v, %v", second, err)
	}
}
