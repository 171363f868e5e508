package local

// OpenConnections counts a server's connections.
func OpenConnections(s *Server) int { return s.conns.count() }
