// Goes through the life of a stream with the AWS SDK for JavaScript and prints
// what it saw.
//
// Usage: client.js STREAM. What is put and done is the same in all languages; the
// test that starts this knows it. The report is one JSON object.
'use strict';

const sdk = require('@aws-sdk/client-kinesis');

const StreamName = process.argv[2];
const kinesis = new sdk.Kinesis({ maxAttempts: 1 });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function insist(condition, what) {
  if (!condition) throw new Error(`unexpected: ${JSON.stringify(what)}`);
}

// put puts 25 records; every fifth has an explicit hash key.
async function put(phase) {
  const records = [];
  for (let i = 0; i < 25; i++) {
    records.push({
      Data: Buffer.concat([Buffer.from(`${phase}-${i}-`), Buffer.alloc(i * 40, 255 - i)]),
      PartitionKey: i % 2 ? `ключ-${i}` : `key-${i}`,
      ...(i % 5 === 0 && { ExplicitHashKey: i === 0 ? '0' : String(2n ** 128n - 1n) }),
    });
  }
  const first = await kinesis.putRecord({ StreamName, ...records[0] });
  insist(first.ShardId && first.SequenceNumber, first);
  const rest = await kinesis.putRecords({ StreamName, Records: records.slice(1) });
  insist(rest.FailedRecordCount === 0 && rest.Records.length === 24, rest);
}

async function active() {
  await sdk.waitUntilStreamExists({ client: kinesis, maxWaitTime: 30 }, { StreamName });
  return (await kinesis.describeStreamSummary({ StreamName })).StreamDescriptionSummary;
}

const seen = (shard, record) => ({
  shard,
  key: record.PartitionKey,
  data: Buffer.from(record.Data).toString('base64'),
  arrived: record.ApproximateArrivalTimestamp.getTime(),
});

// read reads a shard from a position to its end or its tip.
async function read(ShardId, position) {
  let iterator = (await kinesis.getShardIterator({ StreamName, ShardId, ...position })).ShardIterator;
  const records = [];
  while (iterator) {
    const page = await kinesis.getRecords({ ShardIterator: iterator });
    records.push(...page.Records);
    iterator = page.NextShardIterator;
    if (page.MillisBehindLatest === 0 && page.Records.length === 0) break;
    await pause(250);
  }
  return records;
}

// subscribe reads a shard by enhanced fan-out to its end or until it has enough.
async function subscribe(ConsumerARN, ShardId, enough) {
  const records = [];
  const answer = await kinesis.subscribeToShard({
    ConsumerARN, ShardId, StartingPosition: { Type: 'TRIM_HORIZON' },
  });
  for await (const event of answer.EventStream) {
    records.push(...event.SubscribeToShardEvent.Records);
    if (records.length >= enough) break;
  }
  return records;
}

async function refusal(call) {
  try {
    await call();
  } catch (e) {
    return { type: e.constructor.name, message: e.message };
  }
  return { type: 'none' };
}

async function hurry(ShardId) {
  const { ShardIterator } = await kinesis.getShardIterator({ StreamName, ShardId, ShardIteratorType: 'LATEST' });
  let refused;
  for (let i = 0; i < 20; i++) {
    refused = await refusal(() => kinesis.getRecords({ ShardIterator }));
    if (refused.type !== 'none') break;
  }
  return refused;
}

async function refusals(shard) {
  const one = { Data: Buffer.from('x'), PartitionKey: 'k' };
  return {
    'no stream': await refusal(() => kinesis.describeStreamSummary({ StreamName: 'absent' })),
    'name taken': await refusal(() => kinesis.createStream({ StreamName, ShardCount: 1 })),
    'hash key': await refusal(() => kinesis.putRecord({ StreamName, ...one, ExplicitHashKey: String(2n ** 128n) })),
    '501 records': await refusal(() => kinesis.putRecords({ StreamName, Records: Array(501).fill(one) })),
    iterator: await refusal(() => kinesis.getRecords({ ShardIterator: 'nonsense' })),
    'too often': await hurry(shard),
  };
}

// reshard puts records before a split, between it and a merge, and after that.
async function reshard() {
  await kinesis.createStream({ StreamName, ShardCount: 1 });
  await active();
  await put(1);
  await kinesis.splitShard({
    StreamName, ShardToSplit: 'shardId-000000000000', NewStartingHashKey: String(2n ** 127n),
  });
  await active();
  await put(2);
  await kinesis.mergeShards({
    StreamName, ShardToMerge: 'shardId-000000000001', AdjacentShardToMerge: 'shardId-000000000002',
  });
  const summary = await active();
  await put(3);
  return summary;
}

async function fanOut(StreamARN, ids, lastCount) {
  const { Consumer } = await kinesis.registerStreamConsumer({ StreamARN, ConsumerName: 'fan' });
  const { ConsumerARN } = Consumer;
  for (;;) {
    const { ConsumerDescription } = await kinesis.describeStreamConsumer({ ConsumerARN });
    if (ConsumerDescription.ConsumerStatus === 'ACTIVE') break;
    await pause(50);
  }
  const pushed = [];
  for (const id of ids) {
    const records = await subscribe(ConsumerARN, id, id === ids.at(-1) ? lastCount : Infinity);
    pushed.push(...records.map((r) => seen(id, r)));
  }
  await kinesis.deregisterStreamConsumer({ ConsumerARN });
  return pushed;
}

async function main() {
  const summary = await reshard();
  const shards = (await kinesis.listShards({ StreamName })).Shards;
  const ids = shards.map((s) => s.ShardId);
  const polled = [];
  let records;
  for (const id of ids) {
    records = await read(id, { ShardIteratorType: 'TRIM_HORIZON' });
    polled.push(...records.map((r) => seen(id, r)));
  }
  const last = records.at(-1);
  const again = await read(ids.at(-1), {
    ShardIteratorType: 'AT_TIMESTAMP', Timestamp: last.ApproximateArrivalTimestamp,
  });
  const pushed = await fanOut(summary.StreamARN, ids, records.length);
  const errors = await refusals(ids.at(-1));
  await kinesis.deleteStream({ StreamName });
  await sdk.waitUntilStreamNotExists({ client: kinesis, maxWaitTime: 30 }, { StreamName });
  kinesis.destroy();
  console.log(JSON.stringify({
    open: summary.OpenShardCount,
    shards: shards.map((s) => [s.ShardId, s.ParentShardId || '', s.AdjacentParentShardId || '']),
    polled,
    pushed,
    timestamp: again.some((r) => r.SequenceNumber === last.SequenceNumber),
    errors,
  }));
}

main().catch((e) => {
  console.error(e);
  process.exitCode = 1;
});
