import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.dynamodb.model.BillingMode;
import software.amazon.awssdk.services.dynamodb.model.KeyType;
import software.amazon.awssdk.services.dynamodb.model.ProjectionType;
import software.amazon.awssdk.services.dynamodb.model.ScalarAttributeType;
import software.amazon.awssdk.services.dynamodb.model.TableStatus;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.exceptions.InvalidStateException;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.RetrievalSpecificConfig;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * Reads a stream from its start with two KCL 3 applications, one polling and one on enhanced
 * fan-out, and prints each user record as a line of JSON. When its input ends it shuts the
 * applications down in good order and ends.
 *
 * <p>Usage: Kcl STREAM [polling]. With the second argument there is only the first application.
 */
public final class Kcl {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String stream;
  private final boolean pollingOnly;
  private final KinesisAsyncClient kinesis = KinesisClientUtil.createKinesisAsyncClient(KinesisAsyncClient.builder());
  private final DynamoDbAsyncClient dynamo = DynamoDbAsyncClient.create();
  private final CloudWatchAsyncClient metrics = CloudWatchAsyncClient.create(); // never called

  private Kcl(String stream, boolean pollingOnly) {
    this.stream = stream;
    this.pollingOnly = pollingOnly;
  }

  private static synchronized void print(Map<String, Object> line) {
    try {
      System.out.println(JSON.writeValueAsString(line));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /** An application's code for one shard. */
  private static final class Processor implements ShardRecordProcessor {
    private final String application;
    private String shard;

    Processor(String application) {
      this.application = application;
    }

    @Override
    public void initialize(InitializationInput input) {
      shard = input.shardId();
    }

    @Override
    public void processRecords(ProcessRecordsInput input) {
      for (KinesisClientRecord r : input.records()) {
        byte[] data = new byte[r.data().remaining()];
        r.data().get(data);
        Map<String, Object> line = new HashMap<>();
        line.put("application", application);
        line.put("shard", shard);
        line.put("key", r.partitionKey());
        line.put("hash", r.explicitHashKey());
        line.put("data", data);
        line.put("aggregated", r.aggregated());
        line.put("arrived", r.approximateArrivalTimestamp().toEpochMilli());
        print(line);
      }
      checkpoint(input.checkpointer());
    }

    @Override
    public void shardEnded(ShardEndedInput input) {
      checkpoint(input.checkpointer());
    }

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {
      checkpoint(input.checkpointer());
    }

    @Override
    public void leaseLost(LeaseLostInput input) {}

    private static void checkpoint(RecordProcessorCheckpointer checkpointer) {
      try {
        checkpointer.checkpoint();
      } catch (ShutdownException | InvalidStateException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /**
   * Creates an application's lease table as KCL would. KCL adds the index to a table that exists,
   * which the stand-in for DynamoDB takes no notice of.
   */
  private void createLeaseTable(String name) throws InterruptedException {
    if (dynamo.listTables().join().tableNames().contains(name)) {
      return; // it goes on where somebody stopped
    }
    dynamo
        .createTable(
            b ->
                b.tableName(name)
                    .billingMode(BillingMode.PAY_PER_REQUEST)
                    .attributeDefinitions(
                        a -> a.attributeName("leaseKey").attributeType(ScalarAttributeType.S),
                        a -> a.attributeName("leaseOwner").attributeType(ScalarAttributeType.S))
                    .keySchema(k -> k.attributeName("leaseKey").keyType(KeyType.HASH))
                    .globalSecondaryIndexes(
                        i ->
                            i.indexName("LeaseOwnerToLeaseKeyIndex")
                                .projection(p -> p.projectionType(ProjectionType.KEYS_ONLY))
                                .keySchema(
                                    k -> k.attributeName("leaseOwner").keyType(KeyType.HASH),
                                    k -> k.attributeName("leaseKey").keyType(KeyType.RANGE))))
        .join();
    while (dynamo.describeTable(b -> b.tableName(name)).join().table().tableStatus() != TableStatus.ACTIVE) {
      Thread.sleep(20); // the SDK's waiter would take 20 s
    }
  }

  private Scheduler application(String name, RetrievalSpecificConfig retrieval) throws InterruptedException {
    createLeaseTable(name);
    var start = InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON);
    ConfigsBuilder c =
        new ConfigsBuilder(
            new SingleStreamTracker(stream, start), name, kinesis, dynamo, metrics, name + "-worker", () -> new Processor(name));
    return new Scheduler(
        c.checkpointConfig(),
        c.coordinatorConfig().parentShardPollIntervalMillis(500),
        c.leaseManagementConfig()
            .failoverTimeMillis(2_000)
            .leaseAssignmentIntervalMillis(1_000L)
            .shardSyncIntervalMillis(1_000) // also the pause before it first takes leases
            .maxCacheMissesBeforeReload(0), // know new shards' ranges at once, to judge aggregates by
        c.lifecycleConfig(),
        c.metricsConfig().metricsFactory(new NullMetricsFactory()),
        c.processorConfig(),
        c.retrievalConfig().retrievalSpecificConfig(retrieval));
  }

  private void run() throws Exception {
    List<Scheduler> applications = new ArrayList<>();
    applications.add(application("polling", new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(500)));
    if (!pollingOnly) {
      applications.add(application("fan-out", new FanOutConfig(kinesis).streamName(stream).applicationName("fan-out")));
    }
    List<Thread> threads = new ArrayList<>();
    for (Scheduler s : applications) {
      Thread t = new Thread(s);
      t.setDaemon(true);
      t.start();
      threads.add(t);
    }
    while (System.in.read() >= 0) {}
    for (Scheduler s : applications) {
      if (!s.startGracefulShutdown().get(60, TimeUnit.SECONDS)) {
        throw new IllegalStateException(s.applicationName() + " did not shut down in good order");
      }
    }
  }

  public static void main(String[] args) throws Exception {
    new Kcl(args[0], args.length > 1).run();
    System.exit(0);
  }
}
