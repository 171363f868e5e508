package kinesis

// decreaseStreamRetentionPeriod is the API action DecreaseStreamRetentionPeriod:
// not below 24 hours. What is older then expires at once.
func (s *Server) decreaseStreamRetentionPeriod(rq *request) error {
	return s.changeRetention(rq, func(hours, have int64) bool { return hours <= have }, "longer", "Increase")
}
