// Client for publishing change events to Comporta: one file to copy. It needs amqp-client alone (see pom.xml).
//
//   var client = new ComportaClient("amqp://user:password@host:5672/vhost", "main");
//   List<ComportaClient.Result> results = client.publish(List.of(new ComportaClient.Event("stock", "stock-18446", json)));
//
// `publish` returns one result for each event, in order, once the broker has answered for all of them. An event whose
// `reason` is null is confirmed: a queue keeps it. From the command line, with lines of DOMAIN, ID and JSON between tabs:
//
//   java ComportaClient URL FILE

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.ConfirmListener;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeoutException;

/** Publisher of one shop's events; for one thread. */
public final class ComportaClient {
    private static final int WINDOW = 500; // Events that wait for their confirm at a time.
    private static final long SILENCE = 30_000; // Milliseconds without any confirm until the connection counts as lost.
    private static final int ATTEMPTS = 5; // Connections in a row that confirm nothing.

    /** An event as it is sent; the same change has the same id and the same body, however often it is sent. */
    public record Event(String domain, String id, String body) {}

    /** What the broker said of an event: a reason of null means confirmed. */
    public record Result(Event event, String reason) {}

    private final ConnectionFactory factory = new ConnectionFactory();
    private final String shop;

    public ComportaClient(String url, String shop) throws Exception {
        this.shop = shop;
        factory.setUri(url.replaceFirst("/$", "")); // To this library a slash alone is a virtual host without a name.
        factory.setRequestedHeartbeat(30);
        factory.setAutomaticRecoveryEnabled(false); // It would not send again what is not confirmed: this client does.
    }

    /** Publishes a batch; what is not confirmed when a connection is lost is sent again, the same to the letter. */
    public List<Result> publish(List<Event> events) throws InterruptedException {
        var answers = new Answers(events, shop);
        String lost = "";
        for (int failed = 0; answers.count() < events.size() && failed < ATTEMPTS; ) {
            if (failed > 0) {
                Thread.sleep(1000L << (failed - 1));
            }
            int before = answers.count();
            try {
                attempt(events, answers);
            } catch (IOException | TimeoutException | ShutdownSignalException error) {
                lost = error.toString();
            }
            failed = answers.count() == before ? failed + 1 : 0;
        }
        return answers.results("no answer from the broker in " + ATTEMPTS + " attempts: " + lost);
    }

    /** One connection: sends what has no answer yet, and notes the answers. */
    private void attempt(List<Event> events, Answers answers) throws IOException, TimeoutException, InterruptedException {
        Connection connection = factory.newConnection();
        try {
            Channel channel = connection.createChannel();
            answers.begin();
            channel.confirmSelect();
            // An event without a queue is returned first, and confirmed after that.
            channel.addReturnListener((code, text, exchange, route, properties, body) -> answers.returned(properties.getMessageId()));
            channel.addConfirmListener(answers);
            channel.addShutdownListener(answers::closed);
            for (int number = 0; number < events.size(); number++) {
                if (answers.has(number)) {
                    continue;
                }
                answers.waitUntilAtMost(WINDOW - 1);
                Event event = events.get(number);
                answers.sent(channel.getNextPublishSeqNo(), number);
                var properties = new AMQP.BasicProperties.Builder()
                    .contentType("application/cloudevents+json").deliveryMode(2).messageId(event.id()).build();
                byte[] body = event.body().getBytes(StandardCharsets.UTF_8);
                channel.basicPublish("erp.events", shop + "." + event.domain(), true, properties, body);
            }
            answers.waitUntilAtMost(0);
        } catch (ShutdownSignalException closed) {
            answers.closed(closed);
            answers.waitUntilAtMost(0);
        } finally {
            connection.abort(5_000); // Closes it, without waiting for ever where nobody answers.
        }
    }

    /** The answers of the broker, which come on a thread of the library. */
    private static final class Answers implements ConfirmListener {
        private final List<Event> events;
        private final String shop;
        private final Map<Integer, String> reasons = new TreeMap<>();
        private final TreeMap<Long, Integer> unanswered = new TreeMap<>();
        private final Set<String> returned = new HashSet<>();
        private ShutdownSignalException closed;

        Answers(List<Event> events, String shop) {
            this.events = events;
            this.shop = shop;
        }

        synchronized void begin() {
            unanswered.clear();
            returned.clear();
            closed = null;
        }

        synchronized int count() {
            return reasons.size();
        }

        synchronized boolean has(int number) {
            return reasons.containsKey(number);
        }

        synchronized void sent(long tag, int number) {
            unanswered.put(tag, number);
        }

        synchronized void returned(String id) {
            returned.add(id);
        }

        @Override
        public synchronized void handleAck(long tag, boolean several) {
            for (int number : taken(tag, several)) {
                Event event = events.get(number);
                String route = shop + "." + event.domain();
                reasons.put(number, returned.contains(event.id()) ? "returned: no queue takes " + route + "; has Comporta run here?" : null);
            }
        }

        @Override
        public synchronized void handleNack(long tag, boolean several) {
            for (int number : taken(tag, several)) {
                reasons.put(number, "nacked: the broker could not keep the event; look at its log");
            }
        }

        private List<Integer> taken(long tag, boolean several) {
            Map<Long, Integer> answered = several ? unanswered.headMap(tag, true) : unanswered.subMap(tag, true, tag, true);
            var numbers = new ArrayList<>(answered.values());
            answered.clear();
            notifyAll();
            return numbers;
        }

        synchronized void closed(ShutdownSignalException signal) {
            closed = signal;
            if (signal.getReason() instanceof AMQP.Channel.Close reason) {
                for (int number = 0; number < events.size(); number++) {
                    if (!has(number)) { // A value of null means confirmed.
                        reasons.put(number, "refused: " + reason.getReplyText() + "; has Comporta run here?");
                    }
                }
                unanswered.clear();
            }
            notifyAll();
        }

        synchronized void waitUntilAtMost(int most) throws InterruptedException, IOException, TimeoutException {
            while (unanswered.size() > most && closed == null) {
                int before = unanswered.size();
                wait(SILENCE);
                if (unanswered.size() == before && closed == null) {
                    throw new TimeoutException("no confirm within " + SILENCE / 1000 + " s");
                }
            }
            if (closed != null && unanswered.size() > 0) {
                throw new IOException(closed.getMessage());
            }
        }

        synchronized List<Result> results(String gone) {
            var results = new ArrayList<Result>();
            for (int number = 0; number < events.size(); number++) {
                results.add(new Result(events.get(number), has(number) ? reasons.get(number) : gone));
            }
            return results;
        }
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 2) {
            System.err.println("usage: ComportaClient URL FILE");
            System.exit(2);
        }
        var events = new ArrayList<Event>();
        for (String line : Files.readAllLines(Path.of(args[1]))) {
            String[] parts = line.split("\t", 3);
            events.add(new Event(parts[0], parts[1], parts[2]));
        }
        long failed = 0;
        for (Result result : new ComportaClient(args[0], "main").publish(events)) {
            if (result.reason() != null) {
                failed++;
                System.err.println("NOT confirmed: " + result.event().id() + ": " + result.reason());
            }
        }
        System.out.println("confirmed: " + (events.size() - failed));
        System.exit(failed > 0 ? 1 : 0);
    }
}
