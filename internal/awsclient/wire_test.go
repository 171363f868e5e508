package awsclient_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awscbor"
	"github.com/kload/kload/internal/awsclient"
)

// TestNegotiate tells services by how they answer a question in CBOR.
func TestNegotiate(t *testing.T) {
	const json = "application/x-amz-json-1.1"
	tests := []struct {
		name   string
		answer http.HandlerFunc
		open   bool           // the question stays open: an error with a hint
		auto   awsclient.Wire // what data calls speak afterwards
	}{
		{"answered", answer(200, awscbor.Media, "\xa0", nil), false, awsclient.CBOR},
		{"unsupported media type", answer(415, "text/plain", "what?", nil), false, awsclient.JSON},
		{"not understood", answer(400, json, `{"__type":"SerializationException"}`, nil), false, awsclient.JSON},
		{"XML", answer(404, "text/xml", `<UnknownOperationException/>`, nil), false, awsclient.JSON},
		{"not allowed", refusal(400, "AccessDeniedException"), true, awsclient.JSON},
		{"down", answer(503, "text/html", "busy", nil), true, awsclient.JSON},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			against(t, tc.answer, func(t *testing.T, c *awsclient.Client) {
				err := c.Negotiate(t.Context(), "s")
				if tc.open != (err != nil) || tc.open && !errors.Is(err, kload.ErrUnreachable) {
					t.Errorf("%v, want an unreachable target: %v", err, tc.open)
				}
				if c.Over(awsclient.Auto) != c.Over(tc.auto) {
					t.Errorf("auto is not %s", tc.auto)
				}
				used, fallback := c.InForce()
				if diff := cmp.Diff([]awsclient.Wire{tc.auto}, used); diff != "" {
					t.Errorf("wires in force, -want +got: %s", diff)
				}
				if fell := !tc.open && tc.auto == awsclient.JSON; fell != (fallback != nil) {
					t.Errorf("the fallback is explained by %v", fallback)
				}
			})
		})
	}
}
