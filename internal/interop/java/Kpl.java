import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.util.concurrent.ListenableFuture;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.kinesis.producer.Attempt;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordFailedException;
import software.amazon.kinesis.producer.UserRecordResult;

/**
 * Sends user records with the KPL, over TLS.
 *
 * <p>Reads user records as lines of JSON, {"key", "hash", "data"}. At a null it flushes and
 * prints what became of those since the last, one object for each in the same order: {"ok",
 * "shard", "sequence", "attempts"}. It ends with its input.
 *
 * <p>Usage: Kpl STREAM HOST PORT CERTIFICATE
 */
public final class Kpl {
  private static final ObjectMapper JSON = new ObjectMapper();

  private record User(String key, String hash, byte[] data) {}

  private static KinesisProducer producer(String host, int port, String certificate) {
    return new KinesisProducer(
        new KinesisProducerConfiguration()
            .setCredentialsProvider(DefaultCredentialsProvider.create())
            .setRegion("us-east-1")
            .setKinesisEndpoint(host)
            .setKinesisPort(port)
            .setCaCertFile(certificate)
            .setMetricsLevel("none")
            .setLogLevel("warning"));
  }

  private static Map<String, Object> resultOf(ListenableFuture<UserRecordResult> future) throws InterruptedException {
    UserRecordResult r;
    try {
      r = future.get();
    } catch (ExecutionException e) {
      if (!(e.getCause() instanceof UserRecordFailedException failed)) {
        throw new IllegalStateException(e);
      }
      r = failed.getResult();
    }
    List<String> attempts = new ArrayList<>();
    for (Attempt a : r.getAttempts()) {
      attempts.add(a.isSuccessful() ? "ok" : a.getErrorCode() + ": " + a.getErrorMessage());
    }
    return Map.of(
        "ok", r.isSuccessful(),
        "shard", String.valueOf(r.getShardId()),
        "sequence", String.valueOf(r.getSequenceNumber()),
        "attempts", attempts);
  }

  public static void main(String[] args) throws Exception {
    KinesisProducer kpl = producer(args[1], Integer.parseInt(args[2]), args[3]);
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    List<ListenableFuture<UserRecordResult>> futures = new ArrayList<>();
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      User u = JSON.readValue(line, User.class);
      if (u != null) {
        futures.add(kpl.addUserRecord(args[0], u.key(), u.hash(), ByteBuffer.wrap(u.data())));
        continue;
      }
      kpl.flushSync();
      for (ListenableFuture<UserRecordResult> f : futures) {
        System.out.println(JSON.writeValueAsString(resultOf(f)));
      }
      futures.clear();
    }
    kpl.destroy();
    System.exit(0);
  }
}
