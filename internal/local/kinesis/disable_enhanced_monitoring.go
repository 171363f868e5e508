package kinesis

import "slices"

// disableEnhancedMonitoring is the API action DisableEnhancedMonitoring, with
// the rules of EnableEnhancedMonitoring.
func (s *Server) disableEnhancedMonitoring(rq *request) error {
	return s.monitor(rq, func(have, named []string) []string {
		return slices.DeleteFunc(have, func(name string) bool { return slices.Contains(named, name) })
	})
}
