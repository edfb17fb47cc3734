// Where the gateway is, and how Java's clients come to it.
import com.rabbitmq.client.ConnectionFactory;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

class Gateway {
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

    static boolean canRestart() {
        return System.getenv("GATEWAY_RESTART") != null;
    }

    // Comes back when it has ended and is ready again.
    static void restart() throws Exception {
        String command = System.getenv("GATEWAY_RESTART");
        if (new ProcessBuilder("/bin/sh", "-c", command).inheritIO().start().waitFor() != 0)
            throw new AssertionError("it did not start again");
    }
}
