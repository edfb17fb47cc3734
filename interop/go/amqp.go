//go:build ignore

// amqp091-go as Debian packages it, unmodified: go run harness.go amqp.go
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	amqp "github.com/rabbitmq/amqp091-go"
)

func connect(user, password, vhost string) (*amqp.Connection, error) {
	return dial(amqp.Config{Vhost: vhost,
		SASL: []amqp.Authentication{&amqp.PlainAuth{Username: user, Password: password}}})
}

func dial(config amqp.Config) (*amqp.Connection, error) {
	where := "://127.0.0.1:" + os.Getenv("AMQP_PORT") + "/"
	if config.TLSClientConfig = tlsConfig(); config.TLSClientConfig == nil {
		return amqp.DialConfig("amqp"+where, config)
	}
	return amqp.DialConfig("amqps"+where, config)
}

func connectOwn(vhost string) (*amqp.Connection, error) {
	return connect(os.Getenv("LOGIN_USER"), os.Getenv("LOGIN_PASSWORD"), vhost)
}

func open() (*amqp.Connection, *amqp.Channel) {
	connection, err := connect("guest", "guest", "/")
	must(err)
	channel, err := connection.Channel()
	must(err)
	return connection, channel
}

func declareExclusive(channel *amqp.Channel) string {
	queue, err := channel.QueueDeclare("", false, false, true, false, nil)
	must(err)
	return queue.Name
}

func publish(channel *amqp.Channel, queue string, message amqp.Publishing) {
	must(channel.PublishWithContext(context.Background(), "", queue, false, false, message))
}

func refused(code int, err error) {
	if e, ok := err.(*amqp.Error); !ok || e.Code != code {
		panic(fmt.Sprint("got ", err, ", wanted ", code))
	}
}

func publishesAndConsumes() {
	connection, channel := open()
	defer connection.Close()
	queue := declareExclusive(channel)
	for i := 0; i < 100; i++ {
		publish(channel, queue, amqp.Publishing{Body: []byte(fmt.Sprint(i)),
			Headers: amqp.Table{"n": int64(i)}})
	}
	deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
	must(err)
	for i := 0; i < 100; i++ {
		d := <-deliveries
		equal(string(d.Body), i)
		equal(d.Headers["n"], i)
		must(d.Ack(false))
	}
}

func publishesAreConfirmed() {
	connection, channel := open()
	defer connection.Close()
	must(channel.Confirm(false))
	queue := declareExclusive(channel)
	confirms := channel.NotifyPublish(make(chan amqp.Confirmation, 100))
	for i := 0; i < 100; i++ {
		publish(channel, queue, amqp.Publishing{DeliveryMode: amqp.Persistent})
	}
	for i := 0; i < 100; i++ {
		equal((<-confirms).Ack, true)
	}
}

func aNackedMessageComesAgain() {
	connection, channel := open()
	defer connection.Close()
	queue := declareExclusive(channel)
	publish(channel, queue, amqp.Publishing{Body: []byte("again")})
	d, _, err := channel.Get(queue, false)
	must(err)
	must(d.Nack(false, true))
	d, _, err = channel.Get(queue, false)
	must(err)
	equal([]any{d.Redelivered, string(d.Body)}, []any{true, "again"})
}

func aPrefetchBoundsWhatIsOut() {
	connection, channel := open()
	defer connection.Close()
	must(channel.Qos(2, 0, false))
	queue := declareExclusive(channel)
	for i := 0; i < 5; i++ {
		publish(channel, queue, amqp.Publishing{Body: []byte(fmt.Sprint(i))})
	}
	deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
	must(err)
	<-deliveries
	second := <-deliveries
	state, err := channel.QueueDeclarePassive(queue, false, false, true, false, nil)
	must(err)
	equal(state.Messages, 3)
	must(second.Ack(true))
	equal(string((<-deliveries).Body), 2)
	equal(string((<-deliveries).Body), 3)
}

func whatIsRejectedIsDeadLettered() {
	connection, channel := open()
	defer connection.Close()
	dead := declareExclusive(channel)
	queue, err := channel.QueueDeclare("", false, false, true, false, amqp.Table{
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
	must(err)
	graves, err := channel.Consume(dead, "", true, false, false, false, nil)
	must(err)
	publish(channel, queue.Name, amqp.Publishing{Body: []byte("bad")})
	d, _, err := channel.Get(queue.Name, false)
	must(err)
	must(d.Reject(false))
	d = <-graves
	equal(string(d.Body), "bad")
	equal(d.Headers["x-death"].([]any)[0].(amqp.Table)["reason"], "rejected")
}

// This client leaves to its user to connect again, and tells when.
func itComesBack() {
	connection, channel := open()
	must(channel.Confirm(false))
	name := fmt.Sprint("go-restart-", os.Getpid())
	_, err := channel.QueueDeclare(name, true, false, false, false, nil)
	must(err)
	confirm, err := channel.PublishWithDeferredConfirmWithContext(context.Background(), "", name, false, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("before")})
	must(err)
	equal(confirm.Wait(), true)
	over := connection.NotifyClose(make(chan *amqp.Error, 1))
	must(exec.Command("/bin/sh", "-c", os.Getenv("GATEWAY_RESTART")).Run())
	equal((<-over).Code, 320)
	connection, channel = open()
	defer connection.Close()
	deliveries, err := channel.Consume(name, "", false, false, false, false, nil)
	must(err)
	d := <-deliveries
	equal(string(d.Body), "before")
	must(d.Ack(false))
	_, err = channel.QueueDelete(name, false, false, false)
	must(err)
}

func aLargeBodyComesWhole() {
	connection, channel := open()
	defer connection.Close()
	queue := declareExclusive(channel)
	large := make([]byte, 2000000)
	publish(channel, queue, amqp.Publishing{Body: large})
	deliveries, err := channel.Consume(queue, "", true, false, false, false, nil)
	must(err)
	equal(len((<-deliveries).Body), len(large))
}

func anErrorIsTold() {
	connection, channel := open()
	defer connection.Close()
	_, err := channel.QueueDeclarePassive("go-nothing", false, false, false, false, nil)
	refused(404, err)
	_, err = connection.Channel()
	must(err)
}

func aWrongPasswordIsRefused() {
	_, err := connect("guest", "wrong", "/")
	refused(403, err)
}

func itsOwnUserComesIn() {
	connection, err := connectOwn(os.Getenv("LOGIN_VHOST"))
	must(err)
	defer connection.Close()
	channel, err := connection.Channel()
	must(err)
	name := fmt.Sprint(os.Getenv("LOGIN_USER"), "-go-", os.Getpid())
	_, err = channel.QueueDeclare(name, true, false, false, false, nil)
	must(err)
	publish(channel, name, amqp.Publishing{Body: []byte("own")})
	d, _, err := channel.Get(name, true)
	must(err)
	equal(string(d.Body), "own")
	_, err = channel.QueueDelete(name, false, false, false)
	must(err)
}

func whatItMayNotIsRefused() {
	if _, err := connectOwn("/"); err == nil {
		panic("it was let in")
	}
	connection, err := connectOwn(os.Getenv("LOGIN_VHOST"))
	must(err)
	defer connection.Close()
	channel, err := connection.Channel()
	must(err)
	_, err = channel.QueueDeclare("foreign", false, false, false, false, nil)
	refused(403, err)
}

func itsCertificateSaysWhoItIs() {
	connection, err := dial(amqp.Config{SASL: []amqp.Authentication{&amqp.ExternalAuth{}}})
	must(err)
	defer connection.Close()
	channel, err := connection.Channel()
	must(err)
	declareExclusive(channel)
}

func checks() []check {
	all := []check{
		{"publishes consumes and acknowledges", publishesAndConsumes},
		{"publishes are confirmed", publishesAreConfirmed},
		{"a nacked message comes again", aNackedMessageComesAgain},
		{"a prefetch bounds what is out", aPrefetchBoundsWhatIsOut},
		{"what is rejected goes to the dead letter queue", whatIsRejectedIsDeadLettered},
		{"a large body comes whole", aLargeBodyComesWhole},
		{"an error is told and the connection goes on", anErrorIsTold},
		{"a wrong password is refused", aWrongPasswordIsRefused},
	}
	if os.Getenv("GATEWAY_RESTART") != "" {
		all = append(all, check{"it comes back after the gateway restarts", itComesBack})
	}
	if os.Getenv("LOGIN_USER") != "" {
		all = append(all, check{"its own user comes into its own virtual host", itsOwnUserComesIn},
			check{"what its user may not is refused", whatItMayNotIsRefused})
	}
	if os.Getenv("TLS_CERT") != "" {
		all = append(all, check{"its certificate says who it is", itsCertificateSaysWhoItIs})
	}
	return all
}

func main() {
	runAll("amqp091-go", checks())
}
