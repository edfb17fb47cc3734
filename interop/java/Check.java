// amqp-client as Debian packages it, unmodified.
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultSaslConfig;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.Recoverable;
import com.rabbitmq.client.RecoverableConnection;
import com.rabbitmq.client.RecoveryListener;
import com.rabbitmq.client.ShutdownSignalException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

public class Check extends Harness {
    static Connection connect() throws Exception {
        return Gateway.factory("guest", "guest", "/").newConnection();
    }

    static Connection connectOwn(String vhost) throws Exception {
        return Gateway.factory(System.getenv("LOGIN_USER"), System.getenv("LOGIN_PASSWORD"), vhost).newConnection();
    }

    // Of a channel's or a connection's close; 0 where the library tells no code.
    static int codeOf(Throwable e) {
        for (; e != null; e = e.getCause()) {
            if (!(e instanceof ShutdownSignalException))
                continue;
            Object reason = ((ShutdownSignalException) e).getReason();
            if (reason instanceof AMQP.Channel.Close)
                return ((AMQP.Channel.Close) reason).getReplyCode();
            if (reason instanceof AMQP.Connection.Close)
                return ((AMQP.Connection.Close) reason).getReplyCode();
        }
        return 0;
    }

    static void refused(int code, Body body) {
        try {
            body.run();
        } catch (Exception e) {
            equal(codeOf(e), code);
            return;
        }
        throw new AssertionError("it was not refused");
    }

    static void publishesAndConsumes() throws Exception {
        try (Connection connection = connect()) {
            Channel channel = connection.createChannel();
            String queue = channel.queueDeclare().getQueue();
            BlockingQueue<String> got = new LinkedBlockingQueue<>();
            for (int i = 0; i < 100; i++)
                channel.basicPublish("", queue, MessageProperties.TEXT_PLAIN, ("m" + i).getBytes());
            channel.basicConsume(queue, false, (tag, m) -> {
                channel.basicAck(m.getEnvelope().getDeliveryTag(), false);
                got.add(new String(m.getBody()));
            }, tag -> { });
            for (int i = 0; i < 100; i++)
                equal(next(got), "m" + i);
        }
    }

    static void publishesAreConfirmed() throws Exception {
        try (Connection connection = connect()) {
            Channel channel = connection.createChannel();
            channel.confirmSelect();
            String queue = channel.queueDeclare().getQueue();
            for (int i = 0; i < 100; i++)
                channel.basicPublish("", queue, MessageProperties.MINIMAL_PERSISTENT_BASIC, new byte[1]);
            channel.waitForConfirmsOrDie(SECONDS * 1000);
        }
    }

    static void aNackedMessageComesAgain() throws Exception {
        try (Connection connection = connect()) {
            Channel channel = connection.createChannel();
            String queue = channel.queueDeclare().getQueue();
            channel.basicPublish("", queue, null, "again".getBytes());
            channel.basicNack(channel.basicGet(queue, false).getEnvelope().getDeliveryTag(), false, true);
            GetResponse again = channel.basicGet(queue, true);
            equal(again.getEnvelope().isRedeliver() + " " + new String(again.getBody()), "true again");
        }
    }

    static void aPrefetchBoundsWhatIsOut() throws Exception {
        try (Connection connection = connect()) {
            Channel channel = connection.createChannel();
            channel.basicQos(2);
            String queue = channel.queueDeclare().getQueue();
            for (int i = 0; i < 5; i++)
                channel.basicPublish("", queue, null, ("m" + i).getBytes());
            BlockingQueue<String> got = new LinkedBlockingQueue<>();
            channel.basicConsume(queue, false, (tag, m) -> got.add(new String(m.getBody())), tag -> { });
            equal(next(got) + next(got), "m0m1");
            equal(channel.messageCount(queue), 3L);
            channel.basicAck(2, true);
            equal(next(got) + next(got), "m2m3");
        }
    }

    static void whatIsRejectedIsDeadLettered() throws Exception {
        try (Connection connection = connect()) {
            Channel channel = connection.createChannel();
            String dead = channel.queueDeclare().getQueue();
            String queue = channel.queueDeclare("", false, true, false, Map.of(
                "x-dead-letter-exchange", "", "x-dead-letter-routing-key", dead)).getQueue();
            BlockingQueue<String> got = new LinkedBlockingQueue<>();
            channel.basicConsume(dead, true, (tag, m) -> {
                Map<?, ?> death = (Map<?, ?>)((List<?>)m.getProperties().getHeaders().get("x-death")).get(0);
                got.add(new String(m.getBody()) + " " + death.get("reason"));
            }, tag -> { });
            channel.basicPublish("", queue, null, "bad".getBytes());
            channel.basicReject(channel.basicGet(queue, false).getEnvelope().getDeliveryTag(), false);
            equal(next(got), "bad rejected");
        }
    }

    // Connection, channel, queue, binding and consumer come back by the library's own recovery.
    static void itComesBack() throws Exception {
        ConnectionFactory factory = Gateway.factory("guest", "guest", "/");
        factory.setAutomaticRecoveryEnabled(true);
        factory.setNetworkRecoveryInterval(100);
        CountDownLatch isBack = new CountDownLatch(1);
        try (RecoverableConnection connection = (RecoverableConnection)factory.newConnection()) {
            connection.addRecoveryListener(new RecoveryListener() {
                @Override
                public void handleRecovery(Recoverable recovered) {
                    isBack.countDown();
                }
                @Override
                public void handleRecoveryStarted(Recoverable recovered) {
                }
            });
            Channel channel = connection.createChannel();
            channel.confirmSelect();
            String queue = channel.queueDeclare().getQueue();
            channel.queueBind(queue, "amq.topic", "java.#");
            BlockingQueue<String> got = new LinkedBlockingQueue<>();
            channel.basicConsume(queue, true, (tag, m) -> got.add(new String(m.getBody())), tag -> { });
            channel.basicPublish("amq.topic", "java.before", null, "before".getBytes());
            equal(next(got), "before");
            Gateway.restart();
            equal(isBack.await(SECONDS, TimeUnit.SECONDS), true);
            channel.basicPublish("amq.topic", "java.after", null, "after".getBytes());
            channel.waitForConfirmsOrDie(SECONDS * 1000);
            equal(next(got), "after");
        }
    }

    static void aLargeBodyComesWhole() throws Exception {
        try (Connection connection = connect()) {
            Channel channel = connection.createChannel();
            String queue = channel.queueDeclare().getQueue();
            channel.basicPublish("", queue, null, new byte[2000000]);
            equal(channel.basicGet(queue, true).getBody().length, 2000000);
        }
    }

    static void anErrorIsTold() throws Exception {
        try (Connection connection = connect()) {
            Channel channel = connection.createChannel();
            refused(404, () -> channel.queueDeclarePassive("java-nothing"));
            connection.createChannel().queueDeclare();
        }
    }

    static void itsOwnUserComesIn() throws Exception {
        try (Connection connection = connectOwn(System.getenv("LOGIN_VHOST"))) {
            Channel channel = connection.createChannel();
            String queue = System.getenv("LOGIN_USER") + "-java-" + ProcessHandle.current().pid();
            channel.queueDeclare(queue, true, false, false, null);
            channel.basicPublish("", queue, null, "own".getBytes());
            equal(new String(channel.basicGet(queue, true).getBody()), "own");
            channel.queueDelete(queue);
        }
    }

    static void whatItMayNotIsRefused() throws Exception {
        refused(530, () -> connectOwn("/"));
        try (Connection connection = connectOwn(System.getenv("LOGIN_VHOST"))) {
            Channel channel = connection.createChannel();
            refused(403, () -> channel.queueDeclare("foreign", false, false, false, null));
        }
    }

    static void itsCertificateSaysWhoItIs() throws Exception {
        ConnectionFactory factory = Gateway.factory("", "", "/");
        factory.setSaslConfig(DefaultSaslConfig.EXTERNAL);
        try (Connection connection = factory.newConnection()) {
            connection.createChannel().queueDeclare();
        }
    }

    static Map<String, Body> checks() {
        Map<String, Body> all = new LinkedHashMap<>();
        all.put("publishes consumes and acknowledges", Check::publishesAndConsumes);
        all.put("publishes are confirmed", Check::publishesAreConfirmed);
        all.put("a nacked message comes again", Check::aNackedMessageComesAgain);
        all.put("a prefetch bounds what is out", Check::aPrefetchBoundsWhatIsOut);
        all.put("what is rejected goes to the dead letter queue", Check::whatIsRejectedIsDeadLettered);
        all.put("a large body comes whole", Check::aLargeBodyComesWhole);
        all.put("an error is told and the connection goes on", Check::anErrorIsTold);
        all.put("a wrong password is refused",
                () -> refused(0, () -> Gateway.factory("guest", "wrong", "/").newConnection()));
        if (Gateway.canRestart())
            all.put("it comes back after the gateway restarts", Check::itComesBack);
        if (System.getenv("LOGIN_USER") != null) {
            all.put("its own user comes into its own virtual host", Check::itsOwnUserComesIn);
            all.put("what its user may not is refused", Check::whatItMayNotIsRefused);
        }
        if (System.getenv("TLS_CERT") != null)
            all.put("its certificate says who it is", Check::itsCertificateSaysWhoItIs);
        return all;
    }

    public static void main(String[] arguments) {
        runAll("amqp-client", checks());
    }
}
