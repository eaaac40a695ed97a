// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The workload of work.py on net/http.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var down = os.Getenv("DOWN")
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}

func number(r *http.Request, key string, otherwise int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(key)); err == nil {
		return n
	}
	return otherwise
}

func tell(side, id, method string, req, resp, status int) {
	fmt.Printf("{\"side\": \"%s\", \"id\": \"%s\", \"pid\": %d, \"method\": \"%s\", \"req\": %d, \"resp\": %d, \"status\": %d}\n",
		side, id, os.Getpid(), method, req, resp, status)
}

func call(method, id, query string, body []byte) error {
	url := "http://127.0.0.1:" + down + "/w/" + id
	if query != "" {
		url += "?" + query
	}
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	tell("client", id, method, len(body), len(got), answer.StatusCode)
	return err
}

func serve(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/w/")
	body, _ := io.ReadAll(r.Body)
	n := 0
	if down != "" {
		n = number(r, "n", 1)
	}
	for i := 0; i < n; i++ {
		if err := call(r.Method, fmt.Sprintf("%s.%d", id, i), r.URL.RawQuery, body); err != nil {
			log.Print(err)
		}
	}
	answer := bytes.Repeat([]byte("x"), number(r, "size", 2))
	tell("server", id, r.Method, len(body), len(answer), 200)
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.Write(answer)
}

// Calls of the program's own, every $BG milliseconds.
func background(every int) {
	for i := 0; ; i++ {
		time.Sleep(time.Duration(every) * time.Millisecond)
		if err := call("GET", fmt.Sprintf("bg-%d", i), "", nil); err != nil {
			log.Print(err)
		}
	}
}

func main() {
	if every, err := strconv.Atoi(os.Getenv("BG")); err == nil {
		go background(every)
	}
	http.HandleFunc("/w/", serve)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
