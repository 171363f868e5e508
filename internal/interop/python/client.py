"""Goes through the life of a stream with boto3 and prints what it saw.

Usage: client.py STREAM. What is put and done is the same in all languages; the
test that starts this knows it. The report is one JSON object.
"""

import base64
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

stream = sys.argv[1]
kinesis = boto3.client("kinesis", config=Config(retries={"total_max_attempts": 1}))


def put(phase):
    """Puts 25 records; every fifth has an explicit hash key."""
    records = []
    for i in range(25):
        record = {
            "Data": f"{phase}-{i}-".encode() + bytes([255 - i]) * (i * 40),
            "PartitionKey": f"ключ-{i}" if i % 2 else f"key-{i}",
        }
        if i % 5 == 0:
            record["ExplicitHashKey"] = "0" if i == 0 else str(2**128 - 1)
        records.append(record)
    first = kinesis.put_record(StreamName=stream, **records[0])
    assert first["ShardId"] and first["SequenceNumber"], first
    rest = kinesis.put_records(StreamName=stream, Records=records[1:])
    assert rest["FailedRecordCount"] == 0 and len(rest["Records"]) == 24, rest


def active():
    kinesis.get_waiter("stream_exists").wait(StreamName=stream)
    return kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]


def seen(shard, record):
    return {
        "shard": shard,
        "key": record["PartitionKey"],
        "data": base64.b64encode(record["Data"]).decode(),
        "arrived": int(record["ApproximateArrivalTimestamp"].timestamp() * 1000),
    }


def read(shard, **position):
    """Reads a shard from a position to its end or its tip."""
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, **position)["ShardIterator"]
    records = []
    while iterator:
        page = kinesis.get_records(ShardIterator=iterator)
        records += page["Records"]
        iterator = page.get("NextShardIterator")
        if page["MillisBehindLatest"] == 0 and not page["Records"]:
            break
        time.sleep(0.25)
    return records


def subscribe(consumer, shard, enough):
    """Reads a shard by enhanced fan-out to its end or until it has enough."""
    records = []
    answer = kinesis.subscribe_to_shard(
        ConsumerARN=consumer, ShardId=shard, StartingPosition={"Type": "TRIM_HORIZON"}
    )
    for event in answer["EventStream"]:
        records += event["SubscribeToShardEvent"]["Records"]
        if len(records) >= enough:
            break
    answer["EventStream"].close()
    return records


def refusal(call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        return {"type": type(e).__name__, "message": e.response["Error"]["Message"]}
    return {"type": "none"}


def hurry(shard):
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="LATEST")
    for _ in range(20):
        refused = refusal(kinesis.get_records, ShardIterator=iterator["ShardIterator"])
        if refused["type"] != "none":
            break
    return refused


def refusals(shard):
    return {
        "no stream": refusal(kinesis.describe_stream_summary, StreamName="absent"),
        "name taken": refusal(kinesis.create_stream, StreamName=stream, ShardCount=1),
        "hash key": refusal(
            kinesis.put_record, StreamName=stream, Data=b"", PartitionKey="k", ExplicitHashKey=str(2**128)
        ),
        "501 records": refusal(
            kinesis.put_records, StreamName=stream, Records=[{"Data": b"x", "PartitionKey": "k"}] * 501
        ),
        "iterator": refusal(kinesis.get_records, ShardIterator="nonsense"),
        "too often": hurry(shard),
    }


kinesis.create_stream(StreamName=stream, ShardCount=1)
arn = active()["StreamARN"]
put(1)
kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
active()
put(2)
kinesis.merge_shards(
    StreamName=stream, ShardToMerge="shardId-000000000001", AdjacentShardToMerge="shardId-000000000002"
)
open_shards = active()["OpenShardCount"]
put(3)

shards = kinesis.list_shards(StreamName=stream)["Shards"]
ids = [s["ShardId"] for s in shards]
records = {id: read(id, ShardIteratorType="TRIM_HORIZON") for id in ids}
last = records[ids[-1]][-1]
again = read(ids[-1], ShardIteratorType="AT_TIMESTAMP", Timestamp=last["ApproximateArrivalTimestamp"])

consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="fan")["Consumer"]["ConsumerARN"]
while (
    kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"] != "ACTIVE"
):
    time.sleep(0.05)
pushed = [seen(id, r) for id in ids for r in subscribe(consumer, id, len(records[id]) if id == ids[-1] else 1e9)]
kinesis.deregister_stream_consumer(ConsumerARN=consumer)

errors = refusals(ids[-1])
kinesis.delete_stream(StreamName=stream)
kinesis.get_waiter("stream_not_exists").wait(StreamName=stream)

json.dump(
    {
        "open": open_shards,
        "shards": [[s["ShardId"], s.get("ParentShardId", ""), s.get("AdjacentParentShardId", "")] for s in shards],
        "polled": [seen(id, r) for id in ids for r in records[id]],
        "pushed": pushed,
        "timestamp": any(r["SequenceNumber"] == last["SequenceNumber"] for r in again),
        "errors": errors,
    },
    sys.stdout,
)
