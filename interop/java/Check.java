// amqp-client as Debian packages it, unmodified.
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultSaslConfig;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Check {
    interface Body {
        void run() throws Exception;
    }

    static final char[] NO_PASSWORD = {};

    static ConnectionFactory factory(String user, String password, String vhost) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setPort(Integer.parseInt(System.getenv("AMQP_PORT")));
        factory.setUsername(user);
        factory.setPassword(password);
        factory.setVirtualHost(vhost);
        factory.setAutomaticRecoveryEnabled(false);
        if (System.getenv("TLS_CA") != null)
            factory.useSslProtocol(context());
        return factory;
    }

    static Certificate certificate(String path) throws Exception {
        try (InputStream file = Files.newInputStream(Path.of(path))) {
            return CertificateFactory.getInstance("X.509").generateCertificate(file);
        }
    }

    static SSLContext context() throws Exception {
        KeyStore authorities = KeyStore.getInstance("PKCS12");
        authorities.load(null, null);
        authorities.setCertificateEntry("ca", certificate(System.getenv("TLS_CA")));
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(authorities);
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(ownKey(), NO_PASSWORD);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    static KeyStore ownKey() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        if (System.getenv("TLS_CERT") == null)
            return store;
        String pem = Files.readString(Path.of(System.getenv("TLS_KEY")));
        byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
        store.setKeyEntry("own", KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der)),
                          NO_PASSWORD, new Certificate[] {certificate(System.getenv("TLS_CERT"))});
        return store;
    }

    static Connection connect() throws Exception {
        return factory("guest", "guest", "/").newConnection();
    }

    static Connection connectOwn(String vhost) throws Exception {
        return factory(System.getenv("LOGIN_USER"), System.getenv("LOGIN_PASSWORD"), vhost).newConnection();
    }

    static void equal(Object got, Object wanted) {
        if (!got.equals(wanted))
            throw new AssertionError("got " + got + ", wanted " + wanted);
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
                equal(String.valueOf(got.poll(20, TimeUnit.SECONDS)), "m" + i);
        }
    }

    static void publishesAreConfirmed() throws Exception {
        try (Connection connection = connect()) {
            Channel channel = connection.createChannel();
            channel.confirmSelect();
            String queue = channel.queueDeclare().getQueue();
            for (int i = 0; i < 100; i++)
                channel.basicPublish("", queue, MessageProperties.MINIMAL_PERSISTENT_BASIC, new byte[1]);
            channel.waitForConfirmsOrDie(20000);
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
        ConnectionFactory factory = factory("", "", "/");
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
        all.put("a large body comes whole", Check::aLargeBodyComesWhole);
        all.put("an error is told and the connection goes on", Check::anErrorIsTold);
        all.put("a wrong password is refused",
                () -> refused(0, () -> factory("guest", "wrong", "/").newConnection()));
        if (System.getenv("LOGIN_USER") != null) {
            all.put("its own user comes into its own virtual host", Check::itsOwnUserComesIn);
            all.put("what its user may not is refused", Check::whatItMayNotIsRefused);
        }
        if (System.getenv("TLS_CERT") != null)
            all.put("its certificate says who it is", Check::itsCertificateSaysWhoItIs);
        return all;
    }

    public static void main(String[] arguments) {
        int passed = 0, failed = 0;
        for (Map.Entry<String, Body> check : checks().entrySet()) {
            try {
                check.getValue().run();
                passed++;
                System.out.println("  ok amqp-client: " + check.getKey());
            } catch (Throwable e) {
                failed++;
                System.out.println("  FAILED amqp-client: " + check.getKey() + "\n    " + e);
            }
        }
        System.out.println(passed + " passed, " + failed + " failed, 0 skipped");
        System.exit(failed == 0 ? 0 : 1);
    }
}
