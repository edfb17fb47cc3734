// amqp091-go as Debian packages it, unmodified.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func connect(password string) (*amqp.Connection, error) {
	where := fmt.Sprintf("://guest:%s@127.0.0.1:%s/", password, os.Getenv("AMQP_PORT"))
	if os.Getenv("TLS_CA") == "" {
		return amqp.Dial("amqp" + where)
	}
	authority, err := os.ReadFile(os.Getenv("TLS_CA"))
	if err != nil {
		return nil, err
	}
	rules := &tls.Config{RootCAs: x509.NewCertPool()}
	rules.RootCAs.AppendCertsFromPEM(authority)
	if os.Getenv("TLS_CERT") != "" {
		pair, err := tls.LoadX509KeyPair(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY"))
		if err != nil {
			return nil, err
		}
		rules.Certificates = []tls.Certificate{pair}
	}
	return amqp.DialTLS("amqps"+where, rules)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func open() (*amqp.Connection, *amqp.Channel) {
	connection, err := connect("guest")
	must(err)
	channel, err := connection.Channel()
	must(err)
	return connection, channel
}

func publishesAndConsumes() {
	connection, channel := open()
	defer connection.Close()
	must(channel.Confirm(false))
	queue, err := channel.QueueDeclare("", false, false, true, false, nil)
	must(err)
	confirms := channel.NotifyPublish(make(chan amqp.Confirmation, 100))
	for i := 0; i < 100; i++ {
		must(channel.PublishWithContext(context.Background(), "", queue.Name, false, false,
			amqp.Publishing{Body: []byte(fmt.Sprint(i)), Headers: amqp.Table{"n": int64(i)}}))
	}
	for i := 0; i < 100; i++ {
		if c := <-confirms; !c.Ack {
			panic("not confirmed")
		}
	}
	deliveries, err := channel.Consume(queue.Name, "", false, false, false, false, nil)
	must(err)
	for i := 0; i < 100; i++ {
		d := <-deliveries
		if string(d.Body) != fmt.Sprint(i) || d.Headers["n"] != int64(i) {
			panic(fmt.Sprint("got ", string(d.Body), d.Headers))
		}
		must(d.Ack(false))
	}
}

func takesLargeBodies() {
	connection, channel := open()
	defer connection.Close()
	queue, err := channel.QueueDeclare("", false, false, true, false, nil)
	must(err)
	large := make([]byte, 2000000)
	must(channel.PublishWithContext(context.Background(), "", queue.Name, false, false,
		amqp.Publishing{Body: large}))
	deliveries, err := channel.Consume(queue.Name, "", true, false, false, false, nil)
	must(err)
	if d := <-deliveries; len(d.Body) != len(large) {
		panic("another size")
	}
}

func hearsOfErrors() {
	connection, channel := open()
	defer connection.Close()
	_, err := channel.QueueDeclarePassive("go-nothing", false, false, false, false, nil)
	if e, ok := err.(*amqp.Error); !ok || e.Code != 404 {
		panic(fmt.Sprint("got ", err))
	}
	_, err = connection.Channel()
	must(err)
}

func isRefusedWithAWrongPassword() {
	if _, err := connect("wrong"); err == nil {
		panic("it was let in")
	}
}

func main() {
	passed, failed := 0, 0
	for name, body := range map[string]func(){
		"publishes and consumes": publishesAndConsumes, "takes large bodies": takesLargeBodies,
		"hears of errors": hearsOfErrors, "is refused with a wrong password": isRefusedWithAWrongPassword} {
		done := make(chan any, 1)
		go func() {
			defer func() { done <- recover() }()
			body()
		}()
		var trouble any
		select {
		case trouble = <-done:
		case <-time.After(20 * time.Second):
			trouble = "nothing came in time"
		}
		if trouble == nil {
			passed++
			continue
		}
		failed++
		fmt.Printf("  FAILED amqp091-go: %s\n    %v\n", name, trouble)
	}
	fmt.Printf("%d passed, %d failed, 0 skipped\n", passed, failed)
	if failed != 0 {
		os.Exit(1)
	}
}
