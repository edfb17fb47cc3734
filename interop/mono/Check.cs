// RabbitMQ.Client as Mono ships it, unmodified: a client of 2010, which asks for AMQP 0-9 and knows no confirms.
using System;
using System.Collections;
using System.Diagnostics;
using System.Text;
using System.Threading;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

static class Check
{
    const int TIMEOUT_MS = 30000;

    static int failed, passed;

    static IConnection Connect(string password = "guest")
    {
        var factory = new ConnectionFactory {
            Protocol = Protocols.AMQP_0_9, HostName = "127.0.0.1", UserName = "guest", Password = password,
            Port = int.Parse(Environment.GetEnvironmentVariable("AMQP_PORT"))
        };
        return factory.CreateConnection();
    }

    static void Equal(object got, object wanted)
    {
        if (!Equals(got, wanted))
            throw new Exception("got " + got + ", wanted " + wanted);
    }

    static byte[] Bytes(string text)
    {
        return Encoding.UTF8.GetBytes(text);
    }

    static BasicDeliverEventArgs Next(QueueingBasicConsumer consumer)
    {
        object next;
        if (!consumer.Queue.Dequeue(TIMEOUT_MS, out next))
            throw new Exception("nothing came in time");
        return (BasicDeliverEventArgs)next;
    }

    static string Text(BasicDeliverEventArgs message)
    {
        return Encoding.UTF8.GetString(message.Body);
    }

    // Without the arguments that the short form leaves out.
    static string Declare(IModel channel, string name, bool isDurable, IDictionary arguments = null)
    {
        return channel.QueueDeclare(name, false, isDurable, !isDurable, false, false, arguments);
    }

    static void PublishesConsumesAndAcknowledges()
    {
        using (var connection = Connect())
        using (var channel = connection.CreateModel()) {
            var queue = Declare(channel, "", false);
            var consumer = new QueueingBasicConsumer(channel);
            channel.BasicConsume(queue, false, null, consumer);
            for (var i = 0; i < 100; i++) {
                var properties = channel.CreateBasicProperties();
                properties.Headers = new Hashtable { { "n", i } };
                channel.BasicPublish("", queue, properties, Bytes("m" + i));
            }
            for (var i = 0; i < 100; i++) {
                var message = Next(consumer);
                Equal(Text(message), "m" + i);
                Equal(message.BasicProperties.Headers["n"], i);
                channel.BasicAck(message.DeliveryTag, false);
            }
        }
    }

    static void APrefetchBoundsWhatIsOut()
    {
        using (var connection = Connect())
        using (var channel = connection.CreateModel()) {
            var queue = Declare(channel, "", false);
            for (var i = 0; i < 5; i++)
                channel.BasicPublish("", queue, null, Bytes("m" + i));
            channel.BasicQos(0, 2, false);
            var consumer = new QueueingBasicConsumer(channel);
            channel.BasicConsume(queue, false, null, consumer);
            Next(consumer);
            var second = Next(consumer);
            Equal(channel.QueuePurge(queue, false), 3u);
            channel.BasicPublish("", queue, null, Bytes("m5"));
            channel.BasicAck(second.DeliveryTag, true);
            Equal(Text(Next(consumer)), "m5");
        }
    }

    static void ARejectedMessageComesAgain()
    {
        using (var connection = Connect())
        using (var channel = connection.CreateModel()) {
            var queue = Declare(channel, "", false);
            channel.BasicPublish("", queue, null, Bytes("again"));
            channel.BasicReject(channel.BasicGet(queue, false).DeliveryTag, true);
            var again = channel.BasicGet(queue, true);
            Equal(again.Redelivered, true);
            Equal(Encoding.UTF8.GetString(again.Body), "again");
        }
    }

    static void WhatIsRejectedGoesToTheDeadLetterQueue()
    {
        using (var connection = Connect())
        using (var channel = connection.CreateModel()) {
            var dead = Declare(channel, "", false);
            var queue = Declare(channel, "", false, new Hashtable {
                { "x-dead-letter-exchange", Bytes("") }, { "x-dead-letter-routing-key", Bytes(dead) } });
            var consumer = new QueueingBasicConsumer(channel);
            channel.BasicConsume(dead, false, null, consumer);
            channel.BasicPublish("", queue, null, Bytes("bad"));
            channel.BasicReject(channel.BasicGet(queue, false).DeliveryTag, false);
            var message = Next(consumer);
            Equal(Text(message), "bad");
            var death = (IDictionary)((IList)message.BasicProperties.Headers["x-death"])[0];
            Equal(Encoding.UTF8.GetString((byte[])death["reason"]), "rejected");
        }
    }

    static void Transactions()
    {
        using (var connection = Connect())
        using (var channel = connection.CreateModel()) {
            var queue = Declare(channel, "", false);
            channel.TxSelect();
            channel.BasicPublish("", queue, null, Bytes("undone"));
            channel.TxRollback();
            channel.BasicPublish("", queue, null, Bytes("done"));
            Equal(channel.BasicGet(queue, true), null);
            channel.TxCommit();
            Equal(Encoding.UTF8.GetString(channel.BasicGet(queue, true).Body), "done");
            channel.TxCommit();
        }
    }

    static void UnroutableOnesReturn()
    {
        using (var connection = Connect())
        using (var channel = connection.CreateModel()) {
            string told = null;
            var isBack = new ManualResetEvent(false);
            channel.BasicReturn += (_, back) => {
                told = back.ReplyText;
                isBack.Set();
            };
            channel.BasicPublish("amq.direct", "nowhere", true, false, null, Bytes("back"));
            if (!isBack.WaitOne(TIMEOUT_MS))
                throw new Exception("nothing came in time");
            Equal(told, "NO_ROUTE");
        }
    }

    static void ALargeBodyComesWhole()
    {
        using (var connection = Connect())
        using (var channel = connection.CreateModel()) {
            var queue = Declare(channel, "", false);
            channel.BasicPublish("", queue, null, new byte[2000000]);
            Equal(channel.BasicGet(queue, true).Body.Length, 2000000);
        }
    }

    static void AnErrorIsToldAndTheConnectionGoesOn()
    {
        using (var connection = Connect()) {
            var channel = connection.CreateModel();
            try {
                channel.QueueDeclare("mono-nothing", true, false, false, false, false, null);
                throw new Exception("it was not refused");
            } catch (OperationInterruptedException e) {
                Equal((int)e.ShutdownReason.ReplyCode, 404);
            }
            Declare(connection.CreateModel(), "", false);
        }
    }

    static void AWrongPasswordIsRefused()
    {
        try {
            Connect("wrong").Close();
        } catch (Exception) {
            return; // of several kinds; this client is older than the close that tells why
        }
        throw new Exception("it was let in");
    }

    // This client leaves to its user to connect again.
    static void ItComesBackAfterTheGatewayRestarts()
    {
        var queue = "mono-restart-" + Process.GetCurrentProcess().Id;
        var connection = Connect();
        var channel = connection.CreateModel();
        Declare(channel, queue, true);
        channel.TxSelect();
        var properties = channel.CreateBasicProperties();
        properties.DeliveryMode = 2;
        channel.BasicPublish("", queue, properties, Bytes("before"));
        channel.TxCommit();
        var isOver = new ManualResetEvent(false);
        connection.ConnectionShutdown += (_, reason) => isOver.Set();
        Restart();
        if (!isOver.WaitOne(TIMEOUT_MS))
            throw new Exception("it did not hear of the end");
        using (connection = Connect())
        using (channel = connection.CreateModel()) {
            var consumer = new QueueingBasicConsumer(channel);
            channel.BasicConsume(queue, false, null, consumer);
            var message = Next(consumer);
            Equal(Text(message), "before");
            channel.BasicAck(message.DeliveryTag, false);
            channel.QueueDelete(queue, false, false, false);
        }
    }

    static void Restart()
    {
        var command = new ProcessStartInfo("/bin/sh", "-c \"$GATEWAY_RESTART\"") { UseShellExecute = false };
        using (var process = Process.Start(command)) {
            process.WaitForExit();
            Equal(process.ExitCode, 0);
        }
    }

    static void Run(string name, Action body)
    {
        try {
            body();
            passed++;
            Console.WriteLine("  ok mono: " + name);
        } catch (Exception e) {
            failed++;
            Console.WriteLine("  FAILED mono: " + name + "\n    " + e);
        }
    }

    static int Main()
    {
        Run("publishes consumes and acknowledges", PublishesConsumesAndAcknowledges);
        Run("a prefetch bounds what is out", APrefetchBoundsWhatIsOut);
        Run("a rejected message comes again", ARejectedMessageComesAgain);
        Run("what is rejected goes to the dead letter queue", WhatIsRejectedGoesToTheDeadLetterQueue);
        Run("transactions", Transactions);
        Run("unroutable ones return", UnroutableOnesReturn);
        Run("a large body comes whole", ALargeBodyComesWhole);
        Run("an error is told and the connection goes on", AnErrorIsToldAndTheConnectionGoesOn);
        Run("a wrong password is refused", AWrongPasswordIsRefused);
        if (Environment.GetEnvironmentVariable("GATEWAY_RESTART") != null)
            Run("it comes back after the gateway restarts", ItComesBackAfterTheGatewayRestarts);
        Console.WriteLine(passed + " passed, " + failed + " failed, 0 skipped");
        return failed == 0 ? 0 : 1;
    }
}
