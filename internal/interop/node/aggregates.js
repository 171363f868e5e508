// Decodes aggregated records with AWS's Node.js library.
//
// Reads one JSON object per line, {"data": base64 of a stream record}, and
// answers each with one line: {"users": [...]} or {"error": message}. A user is
// {"partitionKey", "explicitHashKey", "data": base64, "tags": [{"key", "value"}]};
// explicitHashKey is left out where the record has none.
'use strict';

const readline = require('readline');
const agg = require('aws-kinesis-agg');
const { AggregatedRecord } = require('aws-kinesis-agg/lib/common');

const own = (object, name) => Object.prototype.hasOwnProperty.call(object, name);

// The library gives no tags, and gives records without an explicit hash key the
// first one of the table: what a record really has, its message tells.
function merge(user, record) {
  const merged = {
    partitionKey: user.partitionKey,
    data: user.data,
    tags: record.tags.map((tag) => ({ key: tag.key, value: tag.value })),
  };
  if (own(record, 'explicit_hash_key_index')) {
    merged.explicitHashKey = user.explicitPartitionKey;
  }
  return merged;
}

function decode(data) {
  let failure;
  let users;
  agg.deaggregateSync({ data }, true, (err, decoded) => {
    failure = failure || err;
    users = decoded;
  });
  if (failure) {
    return { error: String(failure.message || failure) };
  }
  const bytes = Buffer.from(data, 'base64');
  const message = AggregatedRecord.decode(bytes.subarray(4, bytes.length - 16));
  return { users: users.map((user, i) => merge(user, message.records[i])) };
}

readline.createInterface({ input: process.stdin, crlfDelay: Infinity }).on('line', (line) => {
  process.stdout.write(JSON.stringify(decode(JSON.parse(line).data)) + '\n');
});
