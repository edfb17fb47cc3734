// Spring AMQP, unmodified: its template, its admin and its listener containers.
import com.rabbitmq.client.Channel;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.LogManager;
import org.springframework.amqp.AmqpRejectAndDontRequeueException;
import org.springframework.amqp.core.AcknowledgeMode;
import org.springframework.amqp.core.BindingBuilder;
import org.springframework.amqp.core.DirectExchange;
import org.springframework.amqp.core.ExchangeBuilder;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.rabbit.config.RetryInterceptorBuilder;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory.ConfirmType;
import org.springframework.amqp.rabbit.connection.CorrelationData;
import org.springframework.amqp.rabbit.core.RabbitAdmin;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.rabbit.listener.AbstractMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.DirectMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.SimpleMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.adapter.MessageListenerAdapter;
import org.springframework.amqp.rabbit.listener.api.ChannelAwareMessageListener;
import org.springframework.amqp.rabbit.retry.RejectAndDontRequeueRecoverer;

public class Check extends Harness {
    static int queues;

    interface InApplication {
        void run(Application in) throws Exception;
    }

    // What a configuration class would declare: a queue that dead-letters, and where its dead letters go.
    static class Application implements AutoCloseable {
        final CachingConnectionFactory connections;
        final RabbitTemplate template;
        final RabbitAdmin admin;
        final Queue queue, dead;
        AbstractMessageListenerContainer container;

        Application() throws Exception {
            String name = "spring-" + ProcessHandle.current().pid() + "-" + ++queues;
            connections = new CachingConnectionFactory(Gateway.factory("guest", "guest", "/"));
            connections.setPublisherConfirmType(ConfirmType.CORRELATED);
            connections.setPublisherReturns(true);
            template = new RabbitTemplate(connections);
            template.setMandatory(true);
            template.setReplyTimeout(SECONDS * 1000);
            admin = new RabbitAdmin(template);
            dead = QueueBuilder.durable(name + "-dead").build();
            queue = QueueBuilder.durable(name).deadLetterExchange("").deadLetterRoutingKey(dead.getName()).build();
            admin.declareQueue(dead);
            admin.declareQueue(queue);
        }

        void listen(AbstractMessageListenerContainer with, Object listener) {
            container = with;
            with.setConnectionFactory(connections);
            with.setQueueNames(queue.getName());
            with.setRecoveryInterval(100);
            if (listener instanceof ChannelAwareMessageListener)
                with.setMessageListener((ChannelAwareMessageListener)listener);
            else
                with.setMessageListener(new MessageListenerAdapter(listener));
            with.afterPropertiesSet();
            with.start();
        }

        // Comes back when it is confirmed; gives what was returned, null when nothing was.
        Object publish(String queue, Object body) throws Exception {
            CorrelationData correlation = new CorrelationData();
            template.convertAndSend("", queue, body, correlation);
            CorrelationData.Confirm confirm = correlation.getFuture().get(SECONDS, TimeUnit.SECONDS);
            equal(confirm.isAck(), true);
            return correlation.getReturned();
        }

        Message nextDead() {
            Message message = template.receive(dead.getName(), SECONDS * 1000);
            if (message == null)
                throw new AssertionError("nothing came in time");
            return message;
        }

        @Override
        public void close() {
            if (container != null)
                container.stop();
            admin.deleteQueue(queue.getName());
            admin.deleteQueue(dead.getName());
            connections.destroy();
        }
    }

    static void publishesAreConfirmed(Application in) throws Exception {
        for (int i = 0; i < 100; i++)
            equal(in.publish(in.queue.getName(), "m" + i), null);
        equal(in.admin.getQueueInfo(in.queue.getName()).getMessageCount(), 100);
    }

    static void unroutableOnesReturn(Application in) throws Exception {
        if (in.publish("spring-nowhere", "back") == null)
            throw new AssertionError("it did not return");
    }

    static void publishesConsumesAndAcknowledges(Application in) throws Exception {
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        SimpleMessageListenerContainer container = new SimpleMessageListenerContainer();
        container.setConcurrentConsumers(2);
        container.setPrefetchCount(5);
        container.setReceiveTimeout(100);
        in.listen(container, new Object() {
            public void handleMessage(String text) {
                got.add(text);
            }
        });
        for (int i = 0; i < 50; i++)
            in.publish(in.queue.getName(), "m" + i);
        Map<String, Boolean> all = new LinkedHashMap<>();
        while (all.size() < 50)
            all.put(next(got), true);
        container.stop(); // acknowledges what it has done
        equal(in.admin.getQueueInfo(in.queue.getName()).getMessageCount(), 0);
    }

    static void aPrefetchBoundsWhatIsOut(Application in) throws Exception {
        BlockingQueue<Message> got = new LinkedBlockingQueue<>();
        BlockingQueue<Channel> channels = new LinkedBlockingQueue<>();
        DirectMessageListenerContainer container = new DirectMessageListenerContainer();
        container.setPrefetchCount(2);
        container.setAcknowledgeMode(AcknowledgeMode.MANUAL);
        for (int i = 0; i < 5; i++)
            in.publish(in.queue.getName(), "m" + i);
        in.listen(container, (ChannelAwareMessageListener)(message, channel) -> {
            got.add(message);
            channels.add(channel);
        });
        next(got);
        Message second = next(got);
        equal(in.admin.getQueueInfo(in.queue.getName()).getMessageCount(), 3);
        next(channels).basicAck(second.getMessageProperties().getDeliveryTag(), true);
        equal(new String(next(got).getBody()), "m2");
        Message last = next(got);
        next(channels).basicAck(last.getMessageProperties().getDeliveryTag(), true);
        next(channels).basicAck(next(got).getMessageProperties().getDeliveryTag(), false);
    }

    static void aQuestionAndItsAnswer(Application in) throws Exception {
        in.listen(new DirectMessageListenerContainer(), new Object() {
            public String handleMessage(String text) {
                return "re:" + text;
            }
        });
        for (int i = 0; i < 20; i++)
            equal(in.template.convertSendAndReceive("", in.queue.getName(), "?" + i), "re:?" + i);
    }

    static void whatIsRejectedIsDeadLettered(Application in) throws Exception {
        in.listen(new SimpleMessageListenerContainer(), new Object() {
            public void handleMessage(String text) {
                throw new AmqpRejectAndDontRequeueException("bad");
            }
        });
        in.publish(in.queue.getName(), "bad");
        Message message = in.nextDead();
        equal(new String(message.getBody()), "bad");
        equal(message.getMessageProperties().getXDeathHeader().get(0).get("reason"), "rejected");
    }

    static void aFailedOneIsTriedAgain(Application in) throws Exception {
        AtomicInteger tries = new AtomicInteger();
        SimpleMessageListenerContainer container = new SimpleMessageListenerContainer();
        container.setAdviceChain(RetryInterceptorBuilder.stateless().maxAttempts(3).backOffOptions(10, 2.0, 100)
                                     .recoverer(new RejectAndDontRequeueRecoverer()).build());
        in.listen(container, new Object() {
            public void handleMessage(String text) {
                tries.incrementAndGet();
                throw new IllegalStateException("not yet");
            }
        });
        in.publish(in.queue.getName(), "hopeless");
        equal(new String(in.nextDead().getBody()), "hopeless");
        equal(tries, 3);
    }

    static void aDelayedOneComesWhenItIsTime(Application in) throws Exception {
        DirectExchange exchange = ExchangeBuilder.directExchange(in.queue.getName()).delayed().build();
        in.admin.declareExchange(exchange);
        in.admin.declareBinding(BindingBuilder.bind(in.queue).to(exchange).with("k"));
        long began = System.nanoTime();
        in.template.convertAndSend(exchange.getName(), "k", "late", message -> {
            message.getMessageProperties().setDelayLong(300L);
            return message;
        });
        equal(in.template.receiveAndConvert(in.queue.getName(), SECONDS * 1000), "late");
        equal(System.nanoTime() - began >= TimeUnit.MILLISECONDS.toNanos(300), true);
        in.admin.deleteExchange(exchange.getName());
    }

    static void anAbandonedOneComesAgain(Application in) throws Exception {
        BlockingQueue<Boolean> got = new LinkedBlockingQueue<>();
        in.listen(new DirectMessageListenerContainer(), (ChannelAwareMessageListener)(message, channel) -> {
            boolean isAgain = message.getMessageProperties().isRedelivered();
            got.add(isAgain);
            if (!isAgain)
                throw new IllegalStateException("not yet");
        });
        in.publish(in.queue.getName(), "again");
        equal(next(got), false);
        equal(next(got), true);
    }

    static void itComesBack(Application in) throws Exception {
        BlockingQueue<String> got = new LinkedBlockingQueue<>();
        in.listen(new SimpleMessageListenerContainer(), new Object() {
            public void handleMessage(String text) {
                got.add(text);
            }
        });
        in.publish(in.queue.getName(), "before");
        equal(next(got), "before");
        Gateway.restart();
        in.publish(in.queue.getName(), "after");
        equal(next(got), "after");
    }

    static Body in(InApplication body) {
        return () -> {
            try (Application in = new Application()) {
                body.run(in);
            }
        };
    }

    static Map<String, Body> checks() {
        Map<String, Body> all = new LinkedHashMap<>();
        all.put("publishes are confirmed", in(Check::publishesAreConfirmed));
        all.put("unroutable ones return", in(Check::unroutableOnesReturn));
        all.put("publishes consumes and acknowledges", in(Check::publishesConsumesAndAcknowledges));
        all.put("a prefetch bounds what is out", in(Check::aPrefetchBoundsWhatIsOut));
        all.put("a question and its answer", in(Check::aQuestionAndItsAnswer));
        all.put("what is rejected goes to the dead letter queue", in(Check::whatIsRejectedIsDeadLettered));
        all.put("a failed one is tried again", in(Check::aFailedOneIsTriedAgain));
        all.put("a delayed one comes when it is time", in(Check::aDelayedOneComesWhenItIsTime));
        all.put("a nacked message comes again", in(Check::anAbandonedOneComesAgain));
        if (Gateway.canRestart())
            all.put("it comes back after the gateway restarts", in(Check::itComesBack));
        return all;
    }

    public static void main(String[] arguments) {
        LogManager.getLogManager().reset(); // it tells of every end
        runAll("Spring AMQP", checks());
    }
}
