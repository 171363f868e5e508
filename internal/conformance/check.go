package conformance

import "context"

// check is one assertable behaviour of the service.
type check struct {
	id   int
	name string
	run  func(ctx context.Context, k *kit)
}

// checks returns all of them, by number.
func checks() []check {
	list := []check{
		// Transport.
		{name: "a POST in JSON 1.1 is answered with 200 in the same type", run: checkJSON},
		{name: "any path is accepted; GET is refused with 403", run: checkPath},
		{name: "every answer has a unique x-amzn-RequestId and an x-amz-id-2", run: checkRequestIDs},
		{name: "an unknown operation is an UnknownOperationException", run: checkUnknownOperation},
		{name: "malformed JSON and wrong types are a SerializationException", run: checkMalformed},
		{name: "errors have __type and message, and the SDK types them", run: checkErrorBody},
		{name: "without Authorization: MissingAuthenticationTokenException, or any credentials do", run: checkUnsigned},
		{name: "unknown members are ignored, null is absent", run: checkMembers},
		{name: "any region may sign; the account id in ARNs is configurable", run: checkRegion},
		{name: "HTTP/1.1 and HTTP/2 both serve; Date is the server's clock", run: checkProtocols},
		{name: "10 MiB of PutRecords are taken, a larger body is refused and the connection goes on", run: checkBodySize},
		{name: "a CBOR request has a CBOR answer that says the same as JSON", run: checkCBOR},
		// Streams.
		{name: "CreateStream: empty 200, CREATING without shards, then ACTIVE", run: checkCreate},
		{name: "a taken name is a ResourceInUseException", run: checkTakenName},
		{name: "bad stream names break all their rules in one message", run: checkStreamNames},
		{name: "n shards divide the hash keys evenly", run: checkShardRanges},
		{name: "a sixth stream CREATING is a LimitExceededException", run: checkCreating},
		{name: "shards over the quota are a LimitExceededException", run: checkShardQuota},
		{name: "an on-demand stream has 4 open shards", run: checkOnDemand},
		{name: "DescribeStreamSummary counts open shards and consumers", run: checkSummary},
		{name: "DescribeStream pages", run: checkDescribePages},
		{name: "ListShards pages by token", run: checkListShards},
		{name: "ListShards filters", run: checkShardFilters},
		{name: "ListStreams is sorted and pages", run: checkListStreams},
		{name: "StreamARN does wherever StreamName does", run: checkARN},
		{name: "DeleteStream: DELETING, then gone; consumers need Enforce", run: checkDelete},
		{name: "a recreated stream refuses old positions", run: checkRecreate},
		{name: "a missing stream is a ResourceNotFoundException", run: checkMissingStream},
		// Writes.
		{name: "records are routed by the MD5 of the key or by the explicit hash key", run: checkRouting},
		{name: "explicit hash keys over 2^128-1 or malformed are refused", run: checkHashKeys},
		{name: "a partition key has 1 to 256 characters", run: checkPartitionKeys},
		{name: "a record has 0 bytes to the stream's maximum, key included", run: checkRecordSize},
		{name: "UpdateMaxRecordSize takes 1024 to 10240 KiB", run: checkMaxRecordSize},
		{name: "PutRecords takes 1 to 500 records and 10 MiB", run: checkBatchSize},
		{name: "PutRecords answers record by record, in order", run: checkBatchAnswer},
		{name: "an internal failure of a record is InternalFailure", run: checkInternalFailure},
		{name: "one invalid record refuses the whole batch", run: checkBatchRefused},
		{name: "PutRecords over a shard's rate throttles only what is too much", run: checkBatchThrottle},
		{name: "PutRecord over a shard's rate is refused", run: checkPutThrottle},
		{name: "limits can be off", run: checkNoLimits},
		{name: "sequence numbers increase, are unique and decodable", run: checkSequences},
		{name: "SequenceNumberForOrdering is honoured", run: checkOrdering},
		{name: "EncryptionType is stated once encrypted", run: checkEncryptionType},
		{name: "writes succeed while UPDATING", run: checkWriteUpdating},
		{name: "record distribution AUTO needs no key", run: checkDistribution},
		{name: "DryRun validates and does nothing", run: checkDryRun},
		// Reads.
		{name: "the five kinds of iterator start exactly where they should", run: checkPositions},
		{name: "LATEST is fixed when it is issued", run: checkLatest},
		{name: "bad starting positions are refused", run: checkBadPositions},
		{name: "GetRecords: limit, order, bytes and times", run: checkGetRecords},
		{name: "GetRecords' Limit is 1 to 10,000", run: checkReadLimit},
		{name: "an open shard always has a next iterator", run: checkEmptyShard},
		{name: "an iterator may be used again", run: checkReuse},
		{name: "an iterator expires after 300,000 ms", run: checkExpiry},
		{name: "tampered, empty and long iterators are refused", run: checkBadIterators},
		{name: "the sixth GetRecords in a second is throttled", run: checkReadThrottle},
		{name: "10 MiB read at once throttle for 5 s; 2 MiB/s hold", run: checkReadBytes},
		{name: "MillisBehindLatest is 0 at the tip and the age behind it", run: checkBehind},
		{name: "retention trims and its bounds hold", run: checkRetention},
		// Resharding.
		{name: "SplitShard closes the parent and partitions its range", run: checkSplit},
		{name: "MergeShards joins neighbours only", run: checkMerge},
		{name: "a closed shard is read to its end, which names its children", run: checkShardEnd},
		{name: "nothing is lost or misordered across a split and a merge", run: checkReshardLoad},
		{name: "split and merge need an ACTIVE, provisioned stream", run: checkReshardState},
		{name: "UpdateShardCount: at most double, at least half, 10 in 24 h", run: checkShardCount},
		{name: "UpdateStreamMode: 2 in 24 h, shards stay", run: checkMode},
		// Enhanced fan-out.
		{name: "RegisterStreamConsumer: CREATING, ACTIVE, ARN with the time", run: checkRegister},
		{name: "consumers are named by ARN or by stream and name, and listed", run: checkConsumers},
		{name: "SubscribeToShard needs an ACTIVE consumer", run: checkSubscribeState},
		{name: "the first frame is initial-response; the SDK reads the stream", run: checkFrames},
		{name: "idle events advance ContinuationSequenceNumber", run: checkIdleEvents},
		{name: "resubscribing after a cut loses and repeats nothing", run: checkResubscribe},
		{name: "a subscription lasts 300 s; a second one waits 5 s and takes over", run: checkTakeover},
		{name: "two consumers have 2 MiB/s each", run: checkTwoConsumers},
		{name: "a closed shard's last event has ChildShards", run: checkSubscribedEnd},
		{name: "a slow subscriber holds back nobody else", run: checkSlowSubscriber},
		// Other.
		{name: "tags: up to 50, overwritten, removed, paged; on consumers too", run: checkTags},
		{name: "enhanced monitoring states before and after", run: checkMonitoring},
		{name: "encryption can be started and stopped, 25 times in 24 h", run: checkEncryption},
		{name: "a resource policy comes back unchanged", run: checkPolicy},
		{name: "DescribeLimits counts what is there", run: checkLimits},
		{name: "two servers are isolated, and one ends without the other", run: checkIsolation},
	}
	for i := range list {
		list[i].id = i + 1
	}
	return list
}
