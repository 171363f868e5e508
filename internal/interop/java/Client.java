import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.GetShardIteratorRequest;
import software.amazon.awssdk.services.kinesis.model.KinesisException;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StreamDescriptionSummary;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardRequest;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;

/**
 * Goes through the life of a stream with the AWS SDK for Java 2 and prints what it saw. The SDK
 * speaks CBOR, over HTTP/1.1, in all but enhanced fan-out, which is JSON and events over HTTP/2.
 *
 * <p>Usage: Client STREAM. What is put and done is the same in all languages; the test that starts
 * this knows it. The report is one JSON object.
 */
public final class Client {
  private static final BigInteger SPACE = BigInteger.TWO.pow(128);

  private final String stream;
  private final Set<String> wire = Collections.synchronizedSet(new TreeSet<>());
  private final KinesisClient kinesis =
      KinesisClient.builder()
          .overrideConfiguration(o -> o.retryStrategy(r -> r.maxAttempts(1)).addExecutionInterceptor(new Wire()))
          .build();
  private final KinesisAsyncClient async =
      KinesisAsyncClient.builder()
          .httpClientBuilder(NettyNioAsyncHttpClient.builder())
          .overrideConfiguration(o -> o.addExecutionInterceptor(new Wire()))
          .build();

  /** Notes what is really sent and received. */
  private final class Wire implements ExecutionInterceptor {
    @Override
    public void afterTransmission(Context.AfterTransmission c, ExecutionAttributes a) {
      wire.add(
          (c.request() instanceof SubscribeToShardRequest ? "SubscribeToShard: " : "all else: ")
              + c.httpRequest().firstMatchingHeader("Content-Type").orElse("none")
              + ", "
              + c.httpResponse().firstMatchingHeader("Content-Type").orElse("none"));
    }
  }

  private Client(String stream) {
    this.stream = stream;
  }

  private static void insist(boolean condition, Object what) {
    if (!condition) {
      throw new IllegalStateException("unexpected: " + what);
    }
  }

  private static byte[] payload(int phase, int i) {
    byte[] head = (phase + "-" + i + "-").getBytes(UTF_8);
    byte[] data = Arrays.copyOf(head, head.length + i * 40);
    Arrays.fill(data, head.length, data.length, (byte) (255 - i));
    return data;
  }

  /** Puts 25 records; every fifth has an explicit hash key. */
  private void put(int phase) {
    List<PutRecordsRequestEntry> records = new ArrayList<>();
    for (int i = 0; i < 25; i++) {
      String hash = i % 5 != 0 ? null : i == 0 ? "0" : SPACE.subtract(BigInteger.ONE).toString();
      records.add(
          PutRecordsRequestEntry.builder()
              .data(SdkBytes.fromByteArray(payload(phase, i)))
              .partitionKey((i % 2 == 1 ? "ключ-" : "key-") + i)
              .explicitHashKey(hash)
              .build());
    }
    PutRecordsRequestEntry r = records.get(0);
    var first =
        kinesis.putRecord(
            b -> b.streamName(stream).data(r.data()).partitionKey(r.partitionKey()).explicitHashKey(r.explicitHashKey()));
    insist(first.shardId() != null && first.sequenceNumber() != null, first);
    var rest = kinesis.putRecords(b -> b.streamName(stream).records(records.subList(1, records.size())));
    insist(rest.failedRecordCount() == 0 && rest.records().size() == 24, rest);
  }

  private StreamDescriptionSummary active() {
    kinesis.waiter().waitUntilStreamExists(b -> b.streamName(stream));
    return kinesis.describeStreamSummary(b -> b.streamName(stream)).streamDescriptionSummary();
  }

  private static Map<String, Object> seen(String shard, Record r) {
    return Map.of(
        "shard", shard,
        "key", r.partitionKey(),
        "data", r.data().asByteArray(),
        "arrived", r.approximateArrivalTimestamp().toEpochMilli());
  }

  /** Reads a shard from a position to its end or its tip. */
  private List<Record> read(String shard, Consumer<GetShardIteratorRequest.Builder> position) throws Exception {
    String iterator = kinesis.getShardIterator(position.andThen(b -> b.streamName(stream).shardId(shard))).shardIterator();
    List<Record> records = new ArrayList<>();
    while (iterator != null) {
      String from = iterator;
      GetRecordsResponse page = kinesis.getRecords(b -> b.shardIterator(from));
      records.addAll(page.records());
      iterator = page.nextShardIterator();
      if (page.millisBehindLatest() == 0 && page.records().isEmpty()) {
        break;
      }
      Thread.sleep(250);
    }
    return records;
  }

  /** Reads a shard by enhanced fan-out to its end or until it has enough. */
  private List<Record> subscribe(String consumer, String shard, int enough) {
    List<Record> records = Collections.synchronizedList(new ArrayList<>());
    CompletableFuture<Void> full = new CompletableFuture<>();
    SubscribeToShardResponseHandler handler =
        SubscribeToShardResponseHandler.builder()
            .subscriber(
                event -> {
                  records.addAll(((SubscribeToShardEvent) event).records());
                  if (records.size() >= enough) {
                    full.complete(null);
                  }
                })
            .build();
    CompletableFuture<Void> ended =
        async.subscribeToShard(
            b -> b.consumerARN(consumer).shardId(shard).startingPosition(p -> p.type(ShardIteratorType.TRIM_HORIZON)),
            handler);
    CompletableFuture.anyOf(full, ended).join();
    ended.cancel(true);
    return records;
  }

  private static Map<String, String> refusal(Runnable call) {
    try {
      call.run();
    } catch (KinesisException e) {
      return Map.of("type", e.getClass().getSimpleName(), "message", e.awsErrorDetails().errorMessage());
    }
    return Map.of("type", "none", "message", "");
  }

  private Map<String, String> hurry(String shard) {
    String iterator =
        kinesis.getShardIterator(b -> b.streamName(stream).shardId(shard).shardIteratorType("LATEST")).shardIterator();
    Map<String, String> refused = Map.of();
    for (int i = 0; i < 20; i++) {
      refused = refusal(() -> kinesis.getRecords(b -> b.shardIterator(iterator)));
      if (!refused.get("type").equals("none")) {
        break;
      }
    }
    return refused;
  }

  private Map<String, Object> refusals(String shard) {
    var one = PutRecordsRequestEntry.builder().data(SdkBytes.fromUtf8String("x")).partitionKey("k").build();
    return Map.of(
        "no stream", refusal(() -> kinesis.describeStreamSummary(b -> b.streamName("absent"))),
        "name taken", refusal(() -> kinesis.createStream(b -> b.streamName(stream).shardCount(1))),
        "hash key",
            refusal(
                () ->
                    kinesis.putRecord(
                        b -> b.streamName(stream).data(one.data()).partitionKey("k").explicitHashKey(SPACE.toString()))),
        "501 records",
            refusal(() -> kinesis.putRecords(b -> b.streamName(stream).records(Collections.nCopies(501, one)))),
        "iterator", refusal(() -> kinesis.getRecords(b -> b.shardIterator("nonsense"))),
        "too often", hurry(shard));
  }

  /** Puts records before a split, between it and a merge, and after that. */
  private StreamDescriptionSummary reshard() {
    kinesis.createStream(b -> b.streamName(stream).shardCount(1));
    active();
    put(1);
    kinesis.splitShard(
        b ->
            b.streamName(stream)
                .shardToSplit("shardId-000000000000")
                .newStartingHashKey(SPACE.shiftRight(1).toString()));
    active();
    put(2);
    kinesis.mergeShards(
        b ->
            b.streamName(stream)
                .shardToMerge("shardId-000000000001")
                .adjacentShardToMerge("shardId-000000000002"));
    StreamDescriptionSummary summary = active();
    put(3);
    return summary;
  }

  private List<Map<String, Object>> fanOut(String stream, List<String> ids, int lastCount) throws Exception {
    String arn = kinesis.registerStreamConsumer(b -> b.streamARN(stream).consumerName("fan")).consumer().consumerARN();
    while (kinesis.describeStreamConsumer(b -> b.consumerARN(arn)).consumerDescription().consumerStatus()
        != ConsumerStatus.ACTIVE) {
      Thread.sleep(50);
    }
    List<Map<String, Object>> pushed = new ArrayList<>();
    for (String id : ids) {
      boolean last = id.equals(ids.get(ids.size() - 1));
      subscribe(arn, id, last ? lastCount : Integer.MAX_VALUE).forEach(r -> pushed.add(seen(id, r)));
    }
    kinesis.deregisterStreamConsumer(b -> b.consumerARN(arn));
    return pushed;
  }

  private Map<String, Object> live() throws Exception {
    StreamDescriptionSummary summary = reshard();
    List<Shard> shards = kinesis.listShards(b -> b.streamName(stream)).shards();
    List<String> ids = shards.stream().map(Shard::shardId).toList();
    List<Map<String, Object>> polled = new ArrayList<>();
    List<Record> records = List.of();
    for (String id : ids) {
      records = read(id, b -> b.shardIteratorType("TRIM_HORIZON"));
      records.forEach(r -> polled.add(seen(id, r)));
    }
    String tip = ids.get(ids.size() - 1);
    Record last = records.get(records.size() - 1);
    List<Record> again =
        read(tip, b -> b.shardIteratorType("AT_TIMESTAMP").timestamp(last.approximateArrivalTimestamp()));
    Map<String, Object> report = new LinkedHashMap<>();
    report.put("pushed", fanOut(summary.streamARN(), ids, records.size()));
    report.put("errors", refusals(tip));
    kinesis.deleteStream(b -> b.streamName(stream));
    kinesis.waiter().waitUntilStreamNotExists(b -> b.streamName(stream));
    report.put("open", summary.openShardCount());
    report.put("shards", shards.stream().map(Client::lineage).toList());
    report.put("polled", polled);
    report.put("timestamp", again.stream().anyMatch(r -> r.sequenceNumber().equals(last.sequenceNumber())));
    report.put("wire", wire);
    return report;
  }

  private static List<String> lineage(Shard s) {
    String parent = s.parentShardId() == null ? "" : s.parentShardId();
    String adjacent = s.adjacentParentShardId() == null ? "" : s.adjacentParentShardId();
    return List.of(s.shardId(), parent, adjacent);
  }

  public static void main(String[] args) throws Exception {
    Client client = new Client(args[0]);
    System.out.println(new ObjectMapper().writeValueAsString(client.live()));
    System.exit(0);
  }
}
