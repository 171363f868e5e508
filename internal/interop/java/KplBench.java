import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.MoreExecutors;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.LongAdder;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.kinesis.producer.Attempt;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordFailedException;
import software.amazon.kinesis.producer.UserRecordResult;

/**
 * Puts user records with the KPL, over TLS, as fast as it takes them: so many to warm up and as
 * many again that are measured, each of which must succeed.
 *
 * <p>Prints {"records", "jvm_ns", "native_ns"}: the measured records, and the processor time that
 * this process and the KPL's own took for them. Both come in ticks of 10 ms. It ends at once when
 * its input does.
 *
 * <p>Settings are the KPL's defaults but for what leads it to the endpoint, no metrics for
 * CloudWatch, and a rate limit that no machine reaches: the default is a shard's, one and a half
 * times. The KPL takes whatever it is given, so there are never more than OUTSTANDING records of
 * which nothing is known yet.
 *
 * <p>Usage: KplBench STREAM HOST PORT CERTIFICATE RECORDS SIZE OUTSTANDING
 */
public final class KplBench implements FutureCallback<UserRecordResult> {
  private static final int KEYS = 65536;

  private final String stream;
  private final int size;
  private final int outstanding;
  private final KinesisProducer kpl;

  private final List<String> keys = new ArrayList<>();
  private final byte[] data = new byte[1 << 20];
  private int key;
  private int at;

  private final LongAdder acknowledged = new LongAdder();
  private volatile Throwable failure;

  private KplBench(String stream, int size, int outstanding, KinesisProducer kpl) {
    this.stream = stream;
    this.size = size;
    this.outstanding = outstanding;
    this.kpl = kpl;
    for (int i = 0; i < KEYS; i++) {
      keys.add("%016d".formatted(i));
    }
    Random random = new Random(size);
    Collections.shuffle(keys, random);
    random.nextBytes(data);
  }

  private static KinesisProducer producer(String host, int port, String certificate) {
    return new KinesisProducer(
        new KinesisProducerConfiguration()
            .setCredentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("local", "local")))
            .setRegion("us-east-1")
            .setKinesisEndpoint(host)
            .setKinesisPort(port)
            .setCaCertFile(certificate)
            .setMetricsLevel("none")
            .setRateLimit(1_000_000));
  }

  @Override
  public void onSuccess(UserRecordResult result) {
    acknowledged.increment();
  }

  @Override
  public void onFailure(Throwable t) {
    failure = t;
    if (t instanceof UserRecordFailedException f) {
      Attempt first = f.getResult().getAttempts().get(0);
      failure = new IllegalStateException(first.getErrorCode() + ": " + first.getErrorMessage());
    }
  }

  private void add() {
    at = at + 2 * size > data.length ? 0 : at + size;
    key = (key + 1) % KEYS;
    Futures.addCallback(
        kpl.addUserRecord(stream, keys.get(key), ByteBuffer.wrap(data, at, size)), this, MoreExecutors.directExecutor());
  }

  /** Puts records and waits until all of them are acknowledged. */
  private void put(int records) throws Exception {
    long all = acknowledged.sum() + records;
    for (int i = 0; i < records; i++) {
      while (kpl.getOutstandingRecordsCount() >= outstanding) {
        pause();
      }
      add();
    }
    kpl.flush();
    while (acknowledged.sum() < all) {
      pause();
    }
  }

  private void pause() throws Exception {
    if (failure != null) {
      throw new IllegalStateException("a record failed", failure);
    }
    Thread.sleep(1);
  }

  private static long cpu(ProcessHandle process) {
    return process.info().totalCpuDuration().map(Duration::toNanos).orElseThrow();
  }

  private static long cpuOfChildren() {
    return ProcessHandle.current().children().mapToLong(KplBench::cpu).sum();
  }

  private static void endWithInput() {
    try {
      System.in.transferTo(OutputStream.nullOutputStream());
    } catch (IOException e) {
      // is an end, too
    }
    Runtime.getRuntime().halt(1);
  }

  public static void main(String[] args) throws Exception {
    Thread input = new Thread(KplBench::endWithInput);
    input.setDaemon(true);
    input.start();
    KinesisProducer kpl = producer(args[1], Integer.parseInt(args[2]), args[3]);
    int records = Integer.parseInt(args[4]);
    var bench = new KplBench(args[0], Integer.parseInt(args[5]), Integer.parseInt(args[6]), kpl);
    bench.put(records);
    long jvm = cpu(ProcessHandle.current());
    long children = cpuOfChildren();
    bench.put(records);
    System.out.printf(
        "{\"records\": %d, \"jvm_ns\": %d, \"native_ns\": %d}%n",
        records, cpu(ProcessHandle.current()) - jvm, cpuOfChildren() - children);
    kpl.destroy();
    System.exit(0);
  }
}
