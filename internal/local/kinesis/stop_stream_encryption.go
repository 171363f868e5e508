package kinesis

// stopStreamEncryption is the API action StopStreamEncryption, with the rules of
// StartStreamEncryption. Records put before keep their EncryptionType.
func (s *Server) stopStreamEncryption(rq *request) error {
	return s.encrypt(rq, false)
}
