package scenarios

import (
	"context"

	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/internal/awsclient"
)

// wireInfo states how data calls are encoded, for run.json.
type wireInfo struct {
	Used     []string `json:"used"`               // cbor, json
	Fallback string   `json:"fallback,omitempty"` // why auto became json
}

// negotiate settles what wire: auto stands for, if anything is set to it. Other
// people's services at an endpoint of their own get JSON without being asked: some
// know CBOR well enough to answer, and wrongly.
func (e *endpoint) negotiate(ctx context.Context) error {
	if !wantsAuto(e.spec) || e.spec.Target.Endpoint != "" {
		return nil
	}
	return e.client.Negotiate(ctx, e.spec.Stream.Name)
}

func wantsAuto(s *Spec) bool {
	for _, l := range s.Load.All() {
		if c, ok := l.Ingress.Config.(*kinesisIngress); ok && awsclient.Wire(c.Wire) == awsclient.Auto {
			return true
		}
	}
	for _, r := range s.Consumers.All() {
		if c, ok := r.Read.Config.(*polling.Config); ok && awsclient.Wire(c.Wire) == awsclient.Auto {
			return true
		}
	}
	return false
}

func (e *endpoint) wire() wireInfo {
	used, fallback := e.client.InForce()
	info := wireInfo{Used: make([]string, len(used))}
	for i, w := range used {
		info.Used[i] = string(w)
	}
	if fallback != nil {
		info.Fallback = fallback.Error()
	}
	return info
}
