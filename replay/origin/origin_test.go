package origin_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kload/kload"
	"github.com/kload/kload/replay/builtin"
	"github.com/kload/kload/replay/origin"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a/part-1.json": "11", "a.json": "1", "a/part-0.json.lz4": "222", "a-b/x": "4", "b": "5",
		"readme_events.json": "6", "README.md": "x", "a/README": "x", "LICENSE.txt": "x",
		"SHA256SUMS": "x", "md5sums.txt": "x", "b.sha256": "x",
		".hidden": "x", "a/.part.crc": "x", ".git/config": "x", "_SUCCESS": "", "_x": "x", "empty.json": "",
	})
	for link, to := range map[string]string{"c": "b", "d": "a", "e": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	from, err := origin.Parse("file://" + dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := from.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := origin.Listing{
		Objects: []origin.Object{
			{Name: "a-b/x", Size: 1},
			{Name: "a.json", Size: 1},
			{Name: "a/part-0.json.lz4", Size: 3},
			{Name: "a/part-1.json", Size: 2},
			{Name: "b", Size: 1},
			{Name: "c", Size: 1},
			{Name: "readme_events.json", Size: 1},
		},
		Skipped: []origin.Skipped{
			{".git/config", "hidden"},
			{".hidden", "hidden"},
			{"LICENSE.txt", "documentation"},
			{"README.md", "documentation"},
			{"SHA256SUMS", "checksums"},
			{"_SUCCESS", "marker"},
			{"_x", "marker"},
			{"a/.part.crc", "hidden"},
			{"a/README", "documentation"},
			{"b.sha256", "checksums"},
			{"d", "link to a directory"},
			{"e", "broken link"},
			{"empty.json", "empty"},
			{"md5sums.txt", "checksums"},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(origin.Object{}, "Modified")); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
	for _, o := range got.Objects {
		if o.Modified.IsZero() {
			t.Errorf("%s has no time of modification", o.Name)
		}
	}
}

func TestParse(t *testing.T) {
	for _, tc := range []struct{ from, err string }{
		{"builtin:nyc-taxi", ""},
		{"builtin:", `no built-in data set ""`},
		{"s3://bucket/prefix", `unknown origin "s3://bucket/prefix"`},
		{"", `unknown origin ""`},
		{"file://", "file:// without a path"},
	} {
		_, err := origin.Parse(tc.from)
		switch {
		case tc.err == "" && err != nil, tc.err != "" && (err == nil || err.Error() != tc.err):
			t.Errorf("Parse(%q): error %v, want %q", tc.from, err, tc.err)
		case err != nil && !errors.As(err, new(*kload.HintError)):
			t.Errorf("Parse(%q): error without a hint", tc.from)
		}
	}
}

func TestListBuiltin(t *testing.T) {
	for _, name := range builtin.Names() {
		from, err := origin.Parse("builtin:" + name)
		if err != nil {
			t.Fatal(err)
		}
		l, err := from.List(t.Context())
		if err != nil || len(l.Objects) == 0 {
			t.Errorf("%s: %d objects, error %v", name, len(l.Objects), err)
		}
	}
}

// unseekable hides that a file can seek.
type unseekable struct{ fs.FS }

func (u unseekable) Open(name string) (fs.File, error) {
	f, err := u.FS.Open(name)
	return struct{ fs.File }{f}, err
}

func TestOpenAtOffset(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"x": "0123456789"})
	mem := fstest.MapFS{"x": {Data: []byte("0123456789")}}
	for name, from := range map[string]origin.Origin{
		"disk": origin.Files(os.DirFS(dir)), "memory": origin.Files(mem), "unseekable": origin.Files(unseekable{mem}),
	} {
		x := origin.Object{Name: "x", Size: 10}
		if name == "disk" {
			l, err := from.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			x = l.Objects[0]
		}
		for offset, want := range map[int64]string{0: "012", 4: "456", 9: "9", 10: ""} {
			body, err := from.Open(t.Context(), x, offset, 3)
			if err != nil {
				t.Errorf("%s at %d: %v", name, offset, err)
				continue
			}
			got, err := io.ReadAll(body)
			if string(got) != want || err != nil {
				t.Errorf("%s at %d: %q, %v; want %q", name, offset, got, err, want)
			}
			if err := body.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	x := origin.Object{Name: "x", Size: 10}
	if _, err := origin.Files(unseekable{mem}).Open(t.Context(), x, 11, 1); err == nil {
		t.Error("opening behind the end: no error")
	}
	if _, err := origin.Files(mem).Open(t.Context(), origin.Object{Name: "y"}, 0, 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening what does not exist: %v", err)
	}
	for what, o := range map[string]origin.Object{
		"another size": {Name: "x", Size: 11}, "another time": {Name: "x", Size: 10, Modified: time.Unix(1, 0)},
	} {
		if _, err := origin.Files(mem).Open(t.Context(), o, 0, 1); !errors.Is(err, origin.ErrChanged) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestListEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := origin.Files(fstest.MapFS{"x": {Data: []byte("1")}}).List(ctx); err == nil {
		t.Error("no error")
	}
}
