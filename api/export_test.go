package api

// Waiting is how many wait for an answer that another, too, has asked for.
func (s *Server) Waiting() (n int) {
	s.crowd.mu.Lock()
	defer s.crowd.mu.Unlock()
	for _, answer := range s.crowd.waiting {
		n += answer.others
	}
	return n
}
