package kinesis

import "sync/atomic"

// action is one API operation: its handler fills rq.out or refuses.
type action struct {
	handle func(s *Server, rq *request) error
	count  atomic.Uint64
}

// actions returns the operations served, by name. A further one is a file and a
// line.
func actions() map[string]*action {
	return map[string]*action{
		"CreateStream":             {handle: (*Server).createStream},
		"DeleteStream":             {handle: (*Server).deleteStream},
		"DescribeStream":           {handle: (*Server).describeStream},
		"DescribeStreamSummary":    {handle: (*Server).describeStreamSummary},
		"GetRecords":               {handle: (*Server).getRecords},
		"GetShardIterator":         {handle: (*Server).getShardIterator},
		"ListShards":               {handle: (*Server).listShards},
		"MergeShards":              {handle: (*Server).mergeShards},
		"SplitShard":               {handle: (*Server).splitShard},
		"UpdateShardCount":         {handle: (*Server).updateShardCount},
		"RegisterStreamConsumer":   {handle: (*Server).registerStreamConsumer},
		"DescribeStreamConsumer":   {handle: (*Server).describeStreamConsumer},
		"ListStreamConsumers":      {handle: (*Server).listStreamConsumers},
		"DeregisterStreamConsumer": {handle: (*Server).deregisterStreamConsumer},
		"SubscribeToShard":         {handle: (*Server).subscribeToShard},
		"ListStreams":              {handle: (*Server).listStreams},
		"PutRecord":                {handle: (*Server).putRecord},
		"PutRecords":               {handle: (*Server).putRecords},
	}
}
