// go-stomp, unmodified: go run harness.go stomp.go
package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/go-stomp/stomp/v3"
	"github.com/go-stomp/stomp/v3/frame"
)

var count int

func unique() string {
	count++
	return fmt.Sprint("go-stomp-", os.Getpid(), "-", count)
}

func dial() net.Conn {
	where := "127.0.0.1:" + os.Getenv("STOMP_PORT")
	config := tlsConfig()
	if config == nil {
		connection, err := net.Dial("tcp", where)
		must(err)
		return connection
	}
	connection, err := tls.Dial("tcp", where, config)
	must(err)
	return connection
}

func connect(options ...func(*stomp.Conn) error) (*stomp.Conn, error) {
	all := append([]func(*stomp.Conn) error{
		stomp.ConnOpt.Login("guest", "guest"),
		stomp.ConnOpt.HeartBeat(10*time.Second, 10*time.Second),
	}, options...)
	return stomp.Connect(dial(), all...)
}

func open(options ...func(*stomp.Conn) error) *stomp.Conn {
	connection, err := connect(options...)
	must(err)
	return connection
}

func send(connection *stomp.Conn, queue, text string, options ...func(*frame.Frame) error) {
	options = append(options, stomp.SendOpt.Receipt)
	must(connection.Send("/queue/"+queue, "text/plain", []byte(text), options...))
}

// subscribe takes header names and their values, by turns.
func subscribe(connection *stomp.Conn, queue string, ack stomp.AckMode, headers ...string) *stomp.Subscription {
	var options []func(*frame.Frame) error
	for i := 0; i < len(headers); i += 2 {
		options = append(options, stomp.SubscribeOpt.Header(headers[i], headers[i+1]))
	}
	subscription, err := connection.Subscribe("/queue/"+queue, ack, options...)
	must(err)
	return subscription
}

func next(subscription *stomp.Subscription) *stomp.Message {
	message := <-subscription.C
	if message == nil {
		panic("the subscription ended")
	}
	must(message.Err)
	return message
}

func publishesAndConsumes() {
	connection := open()
	defer connection.Disconnect()
	queue := unique()
	subscription := subscribe(connection, queue, stomp.AckClientIndividual, "prefetch-count", "2")
	for i := 0; i < 50; i++ {
		send(connection, queue, fmt.Sprint(i), stomp.SendOpt.Header("n", fmt.Sprint(i)))
	}
	for i := 0; i < 50; i++ {
		message := next(subscription)
		equal(string(message.Body), i)
		equal(message.Header.Get("n"), i)
		must(connection.Ack(message))
	}
}

func aPrefetchBoundsWhatIsOut() {
	one, other := open(), open()
	defer one.Disconnect()
	defer other.Disconnect()
	queue := unique()
	first := subscribe(one, queue, stomp.AckClientIndividual, "prefetch-count", "2")
	for i := 0; i < 5; i++ {
		send(one, queue, fmt.Sprint(i))
	}
	second := subscribe(other, queue, stomp.AckClientIndividual)
	for _, wanted := range []int{2, 3, 4} {
		equal(string(next(second).Body), wanted)
	}
	equal(string(next(first).Body), 0)
}

func everyVersion() {
	for _, version := range []stomp.Version{stomp.V10, stomp.V11, stomp.V12} {
		connection := open(stomp.ConnOpt.AcceptVersion(version))
		queue := unique()
		subscription := subscribe(connection, queue, stomp.AckClient)
		equal(connection.Version(), version)
		send(connection, queue, string(version))
		message := next(subscription)
		equal(string(message.Body), version)
		must(connection.Ack(message))
		must(connection.Disconnect())
	}
}

func aNackedMessageComesAgain() {
	connection := open()
	defer connection.Disconnect()
	queue := unique()
	subscription := subscribe(connection, queue, stomp.AckClientIndividual)
	send(connection, queue, "again")
	must(connection.Nack(next(subscription)))
	message := next(subscription)
	equal(message.Header.Get("redelivered"), true)
	must(connection.Ack(message))
}

// This client's NACK takes no headers, so it rejects by the limit of the queue.
func whatIsRejectedIsDeadLettered() {
	connection := open()
	defer connection.Disconnect()
	queue, dead := unique(), unique()
	graves := subscribe(connection, dead, stomp.AckAuto)
	subscription := subscribe(connection, queue, stomp.AckClientIndividual, "x-delivery-limit", "1",
		"x-dead-letter-exchange", "", "x-dead-letter-routing-key", dead)
	send(connection, queue, "bad")
	must(connection.Nack(next(subscription)))
	must(connection.Nack(next(subscription)))
	equal(string(next(graves).Body), "bad")
}

func transactions() {
	connection := open()
	defer connection.Disconnect()
	queue := unique()
	subscription := subscribe(connection, queue, stomp.AckAuto)
	undone, done := connection.Begin(), connection.Begin()
	must(undone.Send("/queue/"+queue, "text/plain", []byte("undone")))
	must(undone.Abort())
	must(done.Send("/queue/"+queue, "text/plain", []byte("done")))
	must(done.CommitWithReceipt())
	equal(string(next(subscription).Body), "done")
}

func aLargeBodyComesWhole() {
	connection := open()
	defer connection.Disconnect()
	queue := unique()
	subscription := subscribe(connection, queue, stomp.AckAuto)
	must(connection.Send("/queue/"+queue, "application/octet-stream", make([]byte, 2000000)))
	equal(len(next(subscription).Body), 2000000)
}

func anErrorIsTold() {
	connection := open()
	defer connection.MustDisconnect()
	err := connection.Send("/nonsense/there", "text/plain", nil, stomp.SendOpt.Receipt)
	var told stomp.Error
	if !errors.As(err, &told) {
		panic(fmt.Sprint("got ", err))
	}
	equal(told.Frame.Command, frame.ERROR)
}

func aWrongPasswordIsRefused() {
	if _, err := connect(stomp.ConnOpt.Login("guest", "wrong")); err == nil {
		panic("it was let in")
	}
}

// This client leaves to its user to connect again.
func itComesBack() {
	connection, queue := open(), unique()
	subscription := subscribe(connection, queue, stomp.AckClientIndividual)
	send(connection, queue, "before", stomp.SendOpt.Header("persistent", "true"))
	next(subscription)
	must(exec.Command("/bin/sh", "-c", os.Getenv("GATEWAY_RESTART")).Run())
	for message := range subscription.C {
		if message.Err != nil {
			break
		}
	}
	connection = open()
	defer connection.Disconnect()
	subscription = subscribe(connection, queue, stomp.AckClientIndividual)
	message := next(subscription)
	equal(string(message.Body), "before")
	equal(message.Header.Get("redelivered"), true)
	must(connection.Ack(message))
}

func checks() []check {
	all := []check{
		{"publishes consumes and acknowledges", publishesAndConsumes},
		{"a prefetch bounds what is out", aPrefetchBoundsWhatIsOut},
		{"every version of the protocol", everyVersion},
		{"a nacked message comes again", aNackedMessageComesAgain},
		{"what is rejected goes to the dead letter queue", whatIsRejectedIsDeadLettered},
		{"transactions", transactions},
		{"a large body comes whole", aLargeBodyComesWhole},
		{"an error is told", anErrorIsTold},
		{"a wrong password is refused", aWrongPasswordIsRefused},
	}
	if os.Getenv("GATEWAY_RESTART") != "" {
		all = append(all, check{"it comes back after the gateway restarts", itComesBack})
	}
	return all
}

func main() {
	log.SetOutput(io.Discard) // it tells of every end
	runAll("go-stomp", checks())
}
