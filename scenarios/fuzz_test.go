package scenarios_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/scenarios"
)

// FuzzScenario decodes anything. What is refused is refused as invalid, and what
// is accepted can be explained as a file that means the same.
func FuzzScenario(f *testing.F) {
	for _, e := range scenarios.List() {
		src, err := scenarios.Show(e.Name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	for _, c := range problemCases() {
		f.Add([]byte(c.src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := scenarios.Decode("fuzz", src, scenarios.OpenOptions{})
		if err != nil {
			if !errors.Is(err, kload.ErrInvalid) {
				t.Errorf("%v does not wrap ErrInvalid", err)
			}
			return
		}
		text, err := s.Explain()
		if err != nil {
			t.Fatal(err)
		}
		again, err := scenarios.Decode("explained", text, scenarios.OpenOptions{})
		if err != nil {
			t.Fatalf("what it explains is not valid: %v\n%s", err, text)
		}
		if d := cmp.Diff(s.Spec, again.Spec); d != "" {
			t.Errorf("what it explains is another scenario (-want +got)\n%s", d)
		}
	})
}
