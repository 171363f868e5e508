package s3_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kload/kload/internal/local/s3"
)

func TestFileOf(t *testing.T) {
	for _, c := range []struct{ key, path, aside string }{
		{"a", "data/a", "data/.kload~a~"},
		{"a/b.txt", "data/a/b.txt", "data/a/.kload~b.txt~"},
		{"100%", "data/100%", "data/.kload~100%25~"},
		{"..", "data/.kload~%2E%2E", "data/.kload~%2E%2E~"},
		{"../../etc/passwd", "data/.kload~%2E%2E/.kload~%2E%2E/etc/passwd", "data/.kload~%2E%2E/.kload~%2E%2E/etc/.kload~passwd~"},
		{"/etc/passwd", "data/.kload~/etc/passwd", "data/.kload~/etc/.kload~passwd~"},
		{"a/", "data/a/.kload~", "data/a/.kload~~"},
		{`..\..\x`, `data/.kload~..%5C..%5Cx`, `data/.kload~..%5C..%5Cx~`},
		{".kload~a~", "data/.kload~.kload%7Ea%7E", "data/.kload~.kload%7Ea%7E~"},
		{"...", "data/...", "data/.kload~%2E%2E%2E~"},
		{"", "", ""},
		{"nul\x00", "", ""},
		{"line\n", "", ""},
		{"\xff", "", ""},
		{strings.Repeat("x", 256), "", ""},
		{strings.Repeat("é/", 400), "", ""},
	} {
		path, aside, err := s3.FileOf("data", c.key)
		if path != c.path || aside != c.aside || (err != nil) != (c.path == "") {
			t.Errorf("%q: got %q and %q, %v; want %q and %q", c.key, path, aside, err, c.path, c.aside)
		}
	}
	for _, bucket := range []string{"", "..", ".kload-s3", "ab", "UPPER", "a/b", "a..b", "a_b", "-ab", "ab-", strings.Repeat("a", 64), "a\x00b"} {
		if path, _, err := s3.FileOf(bucket, "k"); err == nil {
			t.Errorf("bucket %q is kept at %q", bucket, path)
		}
	}
}

// Each key has one place inside its bucket, no two keys share one, and what lies
// there is listed under the key.
func FuzzKeys(f *testing.F) {
	for _, key := range []string{"a", "a/b", "..", "a//b", "%2e%2e/x", ".kload~", ".kload~%2E", `\\host\c$`, "~", "/"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		path, aside, err := s3.FileOf("data", key)
		if err != nil {
			return
		}
		for i, p := range []string{path, aside} {
			names := strings.Split(p, "/")
			if !filepath.IsLocal(p) || names[0] != "data" || filepath.Clean(p) != p {
				t.Fatalf("%q is kept at %q", key, p)
			}
			segments := make([]string, 0, len(names))
			for j, name := range names[1:] {
				segment, isAside, ok := s3.SegmentOf(name)
				if !ok || isAside != (i == 1 && j == len(names)-2) {
					t.Fatalf("%q is kept at %q, of which %q stands for nothing", key, p, name)
				}
				segments = append(segments, segment)
			}
			if got := strings.Join(segments, "/"); got != key {
				t.Fatalf("%q is kept at %q, which is listed as %q", key, p, got)
			}
		}
	})
}

// FuzzNames: whatever a file is called, either it is no object or the object is
// found in that very file.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"a", ".kload~", ".kload~~", ".kload~a~", ".kload~%2E", ".kload~%2e", ".kload~%", "a\\b", ".."} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		segment, isAside, ok := s3.SegmentOf(name)
		if !ok || strings.Contains(name, "/") || strings.Contains(segment, "/") || len(segment) > 200 {
			return
		}
		path, aside, err := s3.FileOf("data", "x/"+segment)
		if err != nil || (isAside && aside != "data/x/"+name) || (!isAside && path != "data/x/"+name) {
			t.Fatalf("%q is listed as %q, which is kept at %q or %q, %v", name, segment, path, aside, err)
		}
	})
}

func TestHostilePaths(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("classified"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := serve(t, s3.Config{}, httptest.NewServer)
	for name, target := range map[string]string{"out": outside, "file": secret, "up": "../.."} {
		if err := os.Symlink(target, filepath.Join(e.dir, bucket, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(e.dir, "linked")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/data/out/secret", "/data/file", "/linked/secret", "/.kload-s3/meta", "/data/../linked/secret", "/data/%2e%2e/%2e%2e/etc/passwd",
		"/..%2f..%2fetc/passwd", "/data/..%2f..%2f..%2fetc%2fpasswd", "/data/up/" + filepath.Base(outside) + "/secret", "//etc/passwd", "/%2e%2e/x",
	} {
		if status, body, _ := e.request(t, "GET", path, ""); status < 400 || status >= 500 || strings.Contains(body, "classified") {
			t.Errorf("GET %s: %d %s", path, status, body)
		}
		if status, body, _ := e.request(t, "PUT", path+"x", "x"); status >= 500 {
			t.Errorf("PUT %s: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/data/nul%00byte", "/data/%ff", "/data/" + strings.Repeat("x", 300), "/data/" + strings.Repeat("x/", 600)} {
		if status, body, _ := e.request(t, "PUT", path, "x"); status != 400 {
			t.Errorf("PUT %.20s: %d %s", path, status, body)
		}
	}
	found, err := os.ReadDir(outside)
	if err != nil || len(found) != 1 {
		t.Errorf("outside there is %v, %v", found, err)
	}
	if status, body, _ := e.request(t, "GET", "/data?list-type=2", ""); status != 200 || strings.Contains(body, "<Key>out") || strings.Contains(body, "<Key>file<") {
		t.Errorf("links are listed: %d %s", status, body)
	}
}
