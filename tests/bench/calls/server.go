// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

// Every request makes three calls to $DOWN, one after the other: net/http at both ends; with $SDK
// set, both ends are those of otelhttp.
package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

var down = "http://127.0.0.1:" + os.Getenv("DOWN") + "/w/x"
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}

func handle(w http.ResponseWriter, r *http.Request) {
	for i := 0; i < 3; i++ {
		call, _ := http.NewRequestWithContext(r.Context(), "GET", down, nil)
		answer, err := client.Do(call)
		if err != nil {
			http.Error(w, err.Error(), 502)
			return
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	io.WriteString(w, "ok")
}

func main() {
	var handler http.Handler = http.HandlerFunc(handle)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if os.Getenv("SDK") != "" {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			log.Fatal(err)
		}
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
		otel.SetTracerProvider(provider)
		client.Transport = otelhttp.NewTransport(client.Transport)
		handler = otelhttp.NewHandler(handler, "server")
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), handler))
}
