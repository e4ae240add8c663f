import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Publishes a first stock event to Comporta: FirstStock [URL [SEQUENCE [ON_HAND]]]
 *
 * <p>URL is amqp://user:password@host:5672/vhost, or else the environment's COMPORTA_BROKER_URL. Exit code 0: confirmed;
 * 1: not confirmed, the reason is on standard error; 2: wrong usage.
 */
public final class FirstStock {
    private static final String SHOP = "main";
    private static final int ATTEMPTS = 5;

    /** The broker answered, and did not take the event: sending it again at once would not help. */
    @SuppressWarnings("serial")
    static final class NotTakenException extends Exception {
        NotTakenException(String message) {
            super(message);
        }
    }

    /** One balance as it is now: an absolute state, with numbers in strings so that they keep their digits. */
    static String stockEvent(String id, String sequence, String onHand) {
        // In a real program: a JSON library, which escapes what the ERP's texts may hold.
        return """
            {"specversion": "1.0", "id": "%1$s", "source": "/erp/example/1", "type": "erp.stock.changed.v1",
             "time": "%4$s", "sequence": "%2$s",
             "data": {"product_code": "7891000", "branch": "1", "warehouse": "MAIN", "on_hand": "%3$s", "unit": "UN",
                      "as_of": "%4$s"}}
            """.formatted(id, sequence, onHand, "2026-11-23T07:22:51-03:00");
    }

    /** Returns once the broker has confirmed that a queue keeps the event. */
    static void publish(ConnectionFactory factory, String id, String event) throws Exception {
        var properties = new AMQP.BasicProperties.Builder()
            .contentType("application/cloudevents+json").deliveryMode(2).messageId(id).build();
        var returned = new AtomicBoolean();
        Connection connection = factory.newConnection();
        try {
            Channel channel = connection.createChannel();
            channel.confirmSelect();
            channel.addReturnListener(message -> returned.set(true));
            channel.basicPublish("erp.events", SHOP + ".stock", true, properties, event.getBytes(StandardCharsets.UTF_8));
            boolean acknowledged = channel.waitForConfirms(30_000);
            // An event without a queue is returned first, and confirmed after that.
            if (returned.get()) {
                throw new NotTakenException("returned: no queue takes " + SHOP + ".stock; has Comporta run on this broker?");
            } else if (!acknowledged) {
                throw new NotTakenException("nacked: the broker could not keep the event; look at its log");
            }
        } catch (ShutdownSignalException closed) {
            if (closed.getReason() instanceof AMQP.Channel.Close reason) {
                throw new NotTakenException("refused: " + reason.getReplyText() + "; has Comporta run on this broker?");
            }
            throw new IOException(closed);
        } finally {
            connection.abort(5_000); // Closes it, without waiting for ever where nobody answers.
        }
    }

    /** Without an answer the event may have arrived or not: sending it again with the same id is safe. */
    static void publishUntilConfirmed(ConnectionFactory factory, String id, String event) throws Exception {
        for (int attempt = 1; ; attempt++) {
            try {
                publish(factory, id, event);
                return;
            } catch (IOException | TimeoutException error) {
                if (attempt == ATTEMPTS) {
                    throw new NotTakenException("no answer from the broker in " + ATTEMPTS + " attempts: " + error);
                }
                Thread.sleep(1000L << (attempt - 1));
            }
        }
    }

    public static void main(String[] args) throws Exception {
        String url = args.length > 0 ? args[0] : Optional.ofNullable(System.getenv("COMPORTA_BROKER_URL")).orElse("");
        if (url.isEmpty()) {
            System.err.println("usage: FirstStock amqp://user:password@host:5672/vhost [SEQUENCE [ON_HAND]]");
            System.exit(2);
        }
        String sequence = args.length > 1 ? args[1] : "1";
        String id = "stock-" + sequence; // The same change has the same id, however often it is sent.
        var factory = new ConnectionFactory();
        factory.setUri(url.replaceFirst("/$", "")); // To this library a slash alone is a virtual host without a name.
        factory.setRequestedHeartbeat(30);
        factory.setAutomaticRecoveryEnabled(false); // It would not send again what is not confirmed: we do.
        try {
            publishUntilConfirmed(factory, id, stockEvent(id, sequence, args.length > 2 ? args[2] : "12.000"));
            System.out.println("confirmed: " + id + " for " + SHOP + ".stock, sequence " + sequence);
        } catch (NotTakenException problem) {
            System.err.println("NOT confirmed: " + id + ": " + problem.getMessage());
            System.exit(1);
        }
    }
}
