import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import java.net.InetAddress;
import java.net.ServerSocket;

/** Serves DynamoDB Local, in memory, and prints its port. It ends when its input ends. */
public class Serve {
    public static void main(String[] args) throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort(); // DynamoDB Local cannot choose one itself
        }
        java.io.PrintStream out = System.out;
        System.setOut(System.err); // it is talkative
        DynamoDBProxyServer server = ServerRunner.createServerFromCommandLineArgs(
                new String[] {"-inMemory", "-sharedDb", "-disableTelemetry", "-port", Integer.toString(port)});
        server.start();
        out.println(port);
        while (System.in.read() >= 0) {
        }
        System.exit(0);
    }
}
