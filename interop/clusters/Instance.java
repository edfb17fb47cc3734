import com.rabbitmq.client.ConnectionFactory;

public class Instance {
    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setPort(Integer.parseInt(System.getenv().getOrDefault("AMQP_PORT", "5672")));
        factory.newConnection().createChannel().basicConsume("/topic/orders.*@billing", true,
            (tag, m) -> System.out.println("billing got " + m.getEnvelope().getRoutingKey() + " "
                                           + new String(m.getBody())),
            tag -> { });
    }
}
