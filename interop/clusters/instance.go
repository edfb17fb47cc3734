package main

import (
	"fmt"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	connection := must(amqp.Dial("amqp://guest:guest@127.0.0.1:" + os.Getenv("AMQP_PORT")))
	channel := must(connection.Channel())
	for m := range must(channel.Consume("/topic/orders.*@billing", "", true, false, false, false, nil)) {
		fmt.Println("billing got", m.RoutingKey, string(m.Body))
	}
}
