import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.Recoverable;
import com.rabbitmq.client.RecoveryListener;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Base64;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Drives amqp-client as the published Fiks IO client does: TLS, automatic recovery, one channel, a handler that
 * acknowledges each message; by {@link Lines}.
 */
public class Amqp {
    private static final int PATIENCE = 60;

    private static LinkedBlockingQueue<ObjectNode> delivered;
    private static AtomicInteger recoveries;
    private static Connection connection;
    private static Channel channel;
    private static volatile boolean throwing;

    public static void main(String[] args) throws Exception {
        Lines.serve(Amqp::answer, (fault, said) -> said.put("error", reason(fault)));
    }

    private static Object answer(JsonNode asked) throws Exception {
        long tag = asked.path("tag").asLong();
        String queue = asked.path("queue").asText();
        switch (asked.get("do").asText()) {
            case "connect": return connect(asked);
            case "channel": channel = opened(); return channel.getChannelNumber();
            case "qos": channel.basicQos(asked.get("prefetch").asInt()); return null;
            case "consume": return consume(queue, asked);
            case "next": return next(asked.path("count").asInt(1));
            case "ack": channel.basicAck(tag, asked.path("multiple").asBoolean()); return null;
            case "nack": channel.basicNack(tag, asked.path("multiple").asBoolean(), asked.get("requeue").asBoolean()); return null;
            case "reject": channel.basicReject(tag, asked.get("requeue").asBoolean()); return null;
            case "recover": channel.basicRecover(asked.path("requeue").asBoolean(true)); return null;
            case "cancel": channel.basicCancel(asked.get("consumer").asText()); return null;
            case "get": return got(channel.basicGet(queue, false));
            case "look": return looked(channel.queueDeclarePassive(queue));
            case "purge": channel.queuePurge(queue); return null;
            case "throw": throwing = true; return null;
            case "publish": channel.basicPublish("", queue, null, new byte[5]); channel.basicQos(1); return null;
            case "recovered": return recovered(asked.get("times").asInt());
            case "isOpen": return connection.isOpen() && channel.isOpen();
            case "closeChannel": channel.close(); return null;
            case "close": connection.close(); return null;
            case "abort": connection.abort(); return null;
            case "version": return connection.getClientProperties().get("version").toString();
            case "rate": return rate(queue, asked.get("count").asInt());
            default: throw new IllegalArgumentException(asked.toString());
        }
    }

    private static Object connect(JsonNode asked) throws Exception {
        if (connection != null) {
            connection.abort();
        }
        delivered = new LinkedBlockingQueue<>();
        AtomicInteger counted = recoveries = new AtomicInteger();
        throwing = false;
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(asked.path("host").asText("localhost"));
        factory.setPort(asked.get("port").asInt());
        factory.setUsername(asked.get("user").asText());
        factory.setPassword(asked.get("secret").asText());
        factory.setAutomaticRecoveryEnabled(true);
        factory.setNetworkRecoveryInterval(asked.path("pause").asInt(5000));
        if (asked.has("authority")) {
            factory.useSslProtocol(trusting(asked.get("authority").asText()));
        }
        if (asked.has("heartbeat")) {
            factory.setRequestedHeartbeat(asked.get("heartbeat").asInt());
        }
        connection = factory.newConnection("Fiks IO klient (Java) test");
        ((Recoverable) connection).addRecoveryListener(new RecoveryListener() {
            public void handleRecovery(Recoverable which) {
                counted.incrementAndGet();
            }

            public void handleRecoveryStarted(Recoverable which) {}
        });
        channel = opened();
        return connection.getServerProperties().get("product").toString();
    }

    private static Channel opened() throws Exception {
        Channel made = connection.createChannel();
        made.basicQos(10);
        return made;
    }

    private static SSLContext trusting(String authority) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        try (FileInputStream file = new FileInputStream(authority)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    private static String consume(String queue, JsonNode asked) throws Exception {
        boolean ack = asked.path("ack").asBoolean(), exclusive = asked.path("exclusive").asBoolean();
        Channel on = channel;
        LinkedBlockingQueue<ObjectNode> into = delivered;
        return on.basicConsume(queue, false, asked.path("consumer").asText(), false, exclusive, null, new DefaultConsumer(on) {
            public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body)
                    throws java.io.IOException {
                if (throwing) {
                    throwing = false;
                    throw new IllegalStateException("a handler that throws");
                }
                into.add(message(envelope, properties, body).put("consumer", tag));
                if (ack) {
                    on.basicAck(envelope.getDeliveryTag(), false);
                }
            }

            public void handleShutdownSignal(String tag, ShutdownSignalException reason) {}
        });
    }

    private static ArrayNode next(int count) throws Exception {
        ArrayNode found = Lines.JSON.createArrayNode();
        for (int i = 0; i < count; i++) {
            ObjectNode one = delivered.poll(PATIENCE, TimeUnit.SECONDS);
            if (one == null) {
                throw new IllegalStateException("only " + i + " of " + count + " messages came");
            }
            found.add(one);
        }
        return found;
    }

    private static int recovered(int times) throws Exception {
        for (int waits = 0; recoveries.get() < times && waits < PATIENCE * 20; waits++) {
            Thread.sleep(50);
        }
        return recoveries.get();
    }

    private static ObjectNode got(GetResponse one) {
        return one == null ? null : message(one.getEnvelope(), one.getProps(), one.getBody()).put("left", one.getMessageCount());
    }

    private static ObjectNode looked(AMQP.Queue.DeclareOk queue) {
        return Lines.JSON.createObjectNode().put("messages", queue.getMessageCount()).put("consumers", queue.getConsumerCount());
    }

    private static ObjectNode message(Envelope envelope, AMQP.BasicProperties properties, byte[] body) {
        ObjectNode said = Lines.JSON.createObjectNode();
        said.put("tag", envelope.getDeliveryTag());
        said.put("redelivered", envelope.isRedeliver());
        said.put("exchange", envelope.getExchange());
        said.put("routingKey", envelope.getRoutingKey());
        said.put("expiration", properties.getExpiration());
        said.put("body", Base64.getEncoder().encodeToString(body));
        ObjectNode headers = said.putObject("headers");
        if (properties.getHeaders() != null) {
            for (Map.Entry<String, Object> one : properties.getHeaders().entrySet()) {
                headers.put(one.getKey(), one.getValue().toString());
            }
        }
        return said;
    }

    /** Messages a second from the first to the last of so many, each acknowledged in the handler. */
    private static double rate(String queue, int count) throws Exception {
        channel.basicQos(10);
        LinkedBlockingQueue<Long> ends = new LinkedBlockingQueue<>();
        AtomicInteger seen = new AtomicInteger();
        Channel on = channel;
        String tag = on.basicConsume(queue, new DefaultConsumer(on) {
            public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body)
                    throws java.io.IOException {
                on.basicAck(envelope.getDeliveryTag(), false);
                int now = seen.incrementAndGet();
                if (now == 1 || now == count) {
                    ends.add(System.nanoTime());
                }
            }
        });
        long begin = ends.take();
        long end = ends.take();
        on.basicCancel(tag);
        return (count - 1) * 1e9 / (end - begin);
    }

    /** What the server said, if it is that; it stands in the cause of the cause. */
    private static String reason(Throwable fault) {
        for (Throwable cause = fault; cause != null; cause = cause.getCause()) {
            if (cause instanceof ShutdownSignalException) {
                return ((ShutdownSignalException) cause).getReason().toString();
            }
        }
        return String.valueOf(fault.getMessage());
    }
}
