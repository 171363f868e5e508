"""Decodes aggregated records with AWS's Python library.

Reads one JSON object per line, {"data": base64 of a stream record}, and answers
each with one line: {"users": [...]} or {"error": message}. A user is
{"partitionKey", "explicitHashKey", "data": base64, "tags": [{"key", "value"}]};
explicitHashKey is left out where the record has none.
"""

import base64
import json
import sys

from aws_kinesis_agg.deaggregator import deaggregate_records, messages_pb2


def user(record, message):
    """The library gives no tags, and gives records without an explicit hash key
    the first one of the table: what a record really has, its message tells."""
    kinesis = record["kinesis"]
    merged = {
        "partitionKey": kinesis["partitionKey"],
        "data": kinesis["data"].decode(),
        "tags": [{"key": tag.key, "value": tag.value} for tag in message.tags],
    }
    if message.HasField("explicit_hash_key_index"):
        merged["explicitHashKey"] = kinesis["explicitHashKey"]
    return merged


def decode(data):
    records = deaggregate_records(
        {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "sequenceNumber": "1",
                "partitionKey": "outer",
                "approximateArrivalTimestamp": 1.0,
                "data": data,
            }
        }
    )
    if not records[0]["kinesis"].get("aggregated"):
        return {"error": "taken for a plain record"}
    message = messages_pb2.AggregatedRecord()
    message.ParseFromString(base64.b64decode(data)[4:-16])
    return {"users": [user(*pair) for pair in zip(records, message.records, strict=True)]}


for line in sys.stdin:
    print(json.dumps(decode(json.loads(line)["data"])), flush=True)
