package kinesis

import (
	"sync/atomic"

	"github.com/kload/kload/internal/local/latency"
)

// action is one API operation: its handler fills rq.out or refuses.
type action struct {
	handle    func(s *Server, rq *request) error
	rate      float64 // control plane: calls per second
	perStream bool    // of each stream, in place of the account
	count     atomic.Uint64
	errors    atomic.Uint64 // of count, what was refused or failed
	takes     *latency.Sampler
}

// actions returns the operations served, by name. A further one is a file and a
// line. Those on channels are not served.
func actions() map[string]*action {
	return map[string]*action{
		"AddTagsToStream":               {handle: (*Server).addTagsToStream, rate: 5},
		"CreateStream":                  {handle: (*Server).createStream, rate: 5},
		"DecreaseStreamRetentionPeriod": {handle: (*Server).decreaseStreamRetentionPeriod, rate: 5, perStream: true},
		"DeleteResourcePolicy":          {handle: (*Server).deleteResourcePolicy, rate: 5},
		"DeleteStream":                  {handle: (*Server).deleteStream, rate: 5},
		"DeregisterStreamConsumer":      {handle: (*Server).deregisterStreamConsumer, rate: 5, perStream: true},
		"DescribeAccountSettings":       {handle: (*Server).describeAccountSettings, rate: 5},
		"DescribeLimits":                {handle: (*Server).describeLimits, rate: 1},
		"DescribeStream":                {handle: (*Server).describeStream, rate: 10},
		"DescribeStreamConsumer":        {handle: (*Server).describeStreamConsumer, rate: 20, perStream: true},
		"DescribeStreamSummary":         {handle: (*Server).describeStreamSummary, rate: 20},
		"DisableEnhancedMonitoring":     {handle: (*Server).disableEnhancedMonitoring, rate: 5, perStream: true},
		"EnableEnhancedMonitoring":      {handle: (*Server).enableEnhancedMonitoring, rate: 5, perStream: true},
		"GetRecords":                    {handle: (*Server).getRecords},
		"GetResourcePolicy":             {handle: (*Server).getResourcePolicy, rate: 5},
		"GetShardIterator":              {handle: (*Server).getShardIterator},
		"IncreaseStreamRetentionPeriod": {handle: (*Server).increaseStreamRetentionPeriod, rate: 5, perStream: true},
		"ListShards":                    {handle: (*Server).listShards, rate: 1000, perStream: true},
		"ListStreamConsumers":           {handle: (*Server).listStreamConsumers, rate: 5, perStream: true},
		"ListStreams":                   {handle: (*Server).listStreams, rate: 5},
		"ListTagsForResource":           {handle: (*Server).listTagsForResource, rate: 5},
		"ListTagsForStream":             {handle: (*Server).listTagsForStream, rate: 5},
		"MergeShards":                   {handle: (*Server).mergeShards, rate: 5},
		"PutRecord":                     {handle: (*Server).putRecord},
		"PutRecords":                    {handle: (*Server).putRecords},
		"PutResourcePolicy":             {handle: (*Server).putResourcePolicy, rate: 5},
		"RegisterStreamConsumer":        {handle: (*Server).registerStreamConsumer, rate: 5},
		"RemoveTagsFromStream":          {handle: (*Server).removeTagsFromStream, rate: 5},
		"SplitShard":                    {handle: (*Server).splitShard, rate: 5},
		"StartStreamEncryption":         {handle: (*Server).startStreamEncryption, rate: 5, perStream: true},
		"StopStreamEncryption":          {handle: (*Server).stopStreamEncryption, rate: 5, perStream: true},
		"SubscribeToShard":              {handle: (*Server).subscribeToShard},
		"TagResource":                   {handle: (*Server).tagResource, rate: 5},
		"UntagResource":                 {handle: (*Server).untagResource, rate: 5},
		"UpdateAccountSettings":         {handle: (*Server).updateAccountSettings, rate: 5},
		"UpdateMaxRecordSize":           {handle: (*Server).updateMaxRecordSize, rate: 5},
		"UpdateShardCount":              {handle: (*Server).updateShardCount, rate: 10},
		"UpdateStreamMode":              {handle: (*Server).updateStreamMode, rate: 5},
		"UpdateStreamRecordDistributionStrategy": {
			handle: (*Server).updateStreamRecordDistributionStrategy, rate: 5,
		},
		"UpdateStreamWarmThroughput": {handle: (*Server).updateStreamWarmThroughput, rate: 5},
	}
}
