package ledger

// Hold keeps a consumer as busy as in the middle of a batch.
func Hold(c *Consumer) (release func()) {
	c.mu.Lock()
	return c.mu.Unlock
}
