package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/local/httpapi"
)

func TestReadBody(t *testing.T) {
	tests := []struct {
		name   string
		body   io.Reader
		length int64
		want   int
		status int
	}{
		{"empty", strings.NewReader(""), 0, 0, 0},
		{"known length", strings.NewReader("hello"), 5, 5, 0},
		{"unknown length", strings.NewReader(strings.Repeat("x", 100000)), -1, 100000, 0},
		{"cut", strings.NewReader("hell"), 5, 0, http.StatusBadRequest},
		{"largest", bytes.NewReader(make([]byte, httpapi.MaxBody)), httpapi.MaxBody, httpapi.MaxBody, 0},
		{"announced too large", strings.NewReader(""), httpapi.MaxBody + 1, 0, http.StatusRequestEntityTooLarge},
		{"turns out too large", bytes.NewReader(make([]byte, httpapi.MaxBody+1)), -1, 0, http.StatusRequestEntityTooLarge},
	}
	for _, tc := range tests {
		r := httptest.NewRequest(http.MethodPost, "/", tc.body)
		r.ContentLength = tc.length
		got, err := httpapi.ReadBody(nil, r)
		refusal, refused := errors.AsType[*httpapi.Error](err)
		switch {
		case tc.status == 0 && (err != nil || len(got) != tc.want):
			t.Errorf("%s: %d bytes, %v", tc.name, len(got), err)
		case tc.status != 0 && (!refused || refusal.Status != tc.status):
			t.Errorf("%s: error %v, want status %d", tc.name, err, tc.status)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	ids := httpapi.NewRequestIDs()
	seen := map[string]bool{}
	for range 1000 {
		h := http.Header{}
		ids.Stamp(h)
		id, id2 := h["x-amzn-RequestId"][0], h["x-amz-id-2"][0]
		raw, err := base64.StdEncoding.DecodeString(id2)
		if len(id) != 36 || strings.Count(id, "-") != 4 || len(raw) != 72 || err != nil || seen[id] || seen[id2] {
			t.Fatalf("ids %q %q (%d bytes, %v)", id, id2, len(raw), err)
		}
		seen[id], seen[id2] = true, true
	}
}

func TestErrorJSON(t *testing.T) {
	tests := []struct {
		err  *httpapi.Error
		want string
	}{
		{httpapi.Refuse("ResourceNotFoundException", "no %s", `"x"`), `{"__type":"ResourceNotFoundException","message":"no \"x\""}`},
		{httpapi.Malformed("bad"), `{"__type":"SerializationException","Message":"bad"}`},
	}
	for _, tc := range tests {
		if diff := cmp.Diff(tc.want, string(tc.err.AppendJSON(nil))); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "key", "\"\\\n\x00", "é😀\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "")
		var got string
		if err := json.Unmarshal(httpapi.AppendString(nil, []byte(s)), &got); err != nil || got != s {
			t.Errorf("%q came back as %q, %v", s, got, err)
		}
	})
}

// TestAnnouncedBody holds back what was announced: memory must not be given for it.
func TestAnnouncedBody(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("little"))
	r.ContentLength = httpapi.MaxBody
	got, err := httpapi.ReadBody(nil, r)
	if err == nil || cap(got) > 1<<20 {
		t.Errorf("%d bytes for little, %v", cap(got), err)
	}
}
