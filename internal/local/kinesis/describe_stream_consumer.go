package kinesis

// describeStreamConsumer is the API action DescribeStreamConsumer.
//
//   - The consumer is named by its ARN or by the stream's ARN and its name.
//   - Unlike in lists, the description has the stream's ARN.
func (s *Server) describeStreamConsumer(rq *request) error {
	t, err := rq.readConsumerTarget()
	if err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, err := t.resolve(s, rq.now)
	if err != nil {
		return err
	}
	d := c.describe(rq.now)
	d["StreamARN"] = c.stream.arn
	return rq.reply(map[string]any{"ConsumerDescription": d})
}
