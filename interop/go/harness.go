// Package main: what the checks of both libraries share.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"
)

const timeout = 30 * time.Second

type check struct {
	name string
	body func()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// equal compares as text.
func equal(got, wanted any) {
	if fmt.Sprint(got) != fmt.Sprint(wanted) {
		panic(fmt.Sprint("got ", got, ", wanted ", wanted))
	}
}

// tlsConfig is nil where the gateway is plain.
func tlsConfig() *tls.Config {
	if os.Getenv("TLS_CA") == "" {
		return nil
	}
	authority, err := os.ReadFile(os.Getenv("TLS_CA"))
	must(err)
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(authority)
	if os.Getenv("TLS_CERT") != "" {
		pair, err := tls.LoadX509KeyPair(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY"))
		must(err)
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}

// run gives what went wrong, nil when nothing did.
func run(body func()) any {
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		body()
	}()
	select {
	case trouble := <-done:
		return trouble
	case <-time.After(timeout):
		return "nothing came in time"
	}
}

// runAll tells how each went, and ends the process.
func runAll(client string, checks []check) {
	passed, failed := 0, 0
	for _, c := range checks {
		if trouble := run(c.body); trouble != nil {
			failed++
			fmt.Printf("  FAILED %s: %s\n    %v\n", client, c.name, trouble)
			continue
		}
		passed++
		fmt.Printf("  ok %s: %s\n", client, c.name)
	}
	fmt.Printf("%d passed, %d failed, 0 skipped\n", passed, failed)
	if failed != 0 {
		os.Exit(1)
	}
}
