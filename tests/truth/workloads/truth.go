// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// The truth workload in Go: /w/ID?n=N makes N calls to $DOWN, one after the other or, with par=1, at
// the same time, and prints what it did. SERVE and HOW: h1, h2c or grpc, how requests come and calls
// go; HOW also: workers (calls are made by 8 goroutines that take them from a channel), timer (after
// a time.AfterFunc each). POOL: connections, BG: milliseconds between calls of the program's own.
// RELAY: passes each request on as it is. With no $DOWN it answers after 1 to 10 ms.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var down = os.Getenv("DOWN")

func tell(side, id, more string) {
	fmt.Printf("{\"side\": \"%s\", \"id\": \"%s\", \"pid\": %d, \"method\": \"GET\", \"req\": 0%s}\n",
		side, id, os.Getpid(), more)
}

func pause(most int) time.Duration {
	return time.Millisecond + time.Duration(rand.Intn(most*1000))*time.Microsecond
}

// --- calls ---------------------------------------------------------------------------------------

func byClient(client *http.Client, more string) func(id, query string) error {
	return func(id, query string) error {
		answer, err := client.Get("http://127.0.0.1:" + down + "/w/" + id + query)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		got, err := io.ReadAll(answer.Body)
		tell("client", id, fmt.Sprintf(", \"resp\": %d, \"status\": %d%s", len(got), answer.StatusCode, more))
		return err
	}
}

func byH1(pool int) func(id, query string) error {
	return byClient(&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: pool, MaxConnsPerHost: pool,
		DisableCompression: true}}, "")
}

func byH2() func(id, query string) error {
	return byClient(&http.Client{Transport: &http2.Transport{AllowHTTP: true, DisableCompression: true,
		DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}}}, ", \"system\": \"HTTP/2\"")
}

// The name of the method is the path: /w/ID.
func byGRPC() func(id, query string) error {
	conn, err := grpc.NewClient("127.0.0.1:"+down, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	return func(id, query string) error {
		err := conn.Invoke(context.Background(), "/w/"+id, wrapperspb.String(query), &wrapperspb.StringValue{})
		tell("client", id, ", \"system\": \"gRPC\"")
		return err
	}
}

func byWorkers(call func(id, query string) error, workers int) func(id, query string) error {
	type job struct {
		id, query string
		done      chan error
	}
	jobs := make(chan job)
	for i := 0; i < workers; i++ {
		go func() {
			for j := range jobs {
				j.done <- call(j.id, j.query)
			}
		}()
	}
	return func(id, query string) error {
		j := job{id, query, make(chan error)}
		jobs <- j
		return <-j.done
	}
}

func byTimer(call func(id, query string) error) func(id, query string) error {
	return func(id, query string) error {
		done := make(chan error)
		time.AfterFunc(pause(4), func() { done <- call(id, query) })
		return <-done
	}
}

func caller(how string, pool int) func(id, query string) error {
	switch how {
	case "h2c":
		return byH2()
	case "grpc":
		return byGRPC()
	case "workers":
		return byWorkers(byH1(pool), 8)
	case "timer":
		return byTimer(byH1(pool))
	}
	return byH1(pool)
}

// --- requests --------------------------------------------------------------------------------------

var call func(id, query string) error

func must(id, query string) {
	if err := call(id, query); err != nil {
		log.Print(id, ": ", err)
	}
}

func answer(id, query, more string) {
	if down == "" {
		time.Sleep(pause(9))
		return
	}
	if os.Getenv("RELAY") != "" {
		must(id, "?"+strings.TrimPrefix(query, "?"))
		return
	}
	n := 1
	var wait sync.WaitGroup
	for _, pair := range strings.Split(query, "&") {
		if key, value, _ := strings.Cut(pair, "="); key == "n" {
			n, _ = strconv.Atoi(value)
		}
	}
	for i := 0; i < n; i++ {
		one := fmt.Sprintf("%s.%d", id, i)
		if !strings.Contains(query, "par=1") {
			must(one, "")
			continue
		}
		wait.Add(1)
		go func() {
			defer wait.Done()
			must(one, "")
		}()
	}
	wait.Wait()
	tell("server", id, more)
}

func serve(w http.ResponseWriter, r *http.Request) {
	more := ", \"resp\": 2, \"status\": 200"
	if r.ProtoMajor == 2 {
		more += ", \"system\": \"HTTP/2\""
	}
	answer(strings.TrimPrefix(r.URL.Path, "/w/"), r.URL.RawQuery, more)
	w.Header().Set("Content-Length", "2")
	io.WriteString(w, "ok")
}

func serveGRPC(_ any, stream grpc.ServerStream) error {
	var in wrapperspb.StringValue
	path, _ := grpc.MethodFromServerStream(stream)
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	answer(strings.TrimPrefix(path, "/w/"), strings.TrimPrefix(in.Value, "?"), ", \"system\": \"gRPC\"")
	return stream.SendMsg(wrapperspb.String("ok"))
}

// Calls of the program's own.
func background(every int) {
	for i := 0; ; i++ {
		time.Sleep(time.Duration(every) * time.Millisecond)
		must(fmt.Sprintf("bg-%d-%d", time.Now().UnixMilli(), i), "")
	}
}

func main() {
	pool, _ := strconv.Atoi(os.Getenv("POOL"))
	call = caller(os.Getenv("HOW"), pool)
	if every, err := strconv.Atoi(os.Getenv("BG")); err == nil && down != "" {
		go background(every)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		log.Fatal(err)
	}
	switch os.Getenv("SERVE") {
	case "grpc":
		log.Fatal(grpc.NewServer(grpc.UnknownServiceHandler(serveGRPC)).Serve(listener))
	case "h2c":
		log.Fatal(http.Serve(listener, h2c.NewHandler(http.HandlerFunc(serve), &http2.Server{})))
	}
	log.Fatal(http.Serve(listener, http.HandlerFunc(serve)))
}
