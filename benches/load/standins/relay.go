// A bare reverse proxy on Go's net/http: what a gateway written in Go starts from. No keys, no filter, no counting.
//
//	relay ADDRESS UPSTREAM      such as: relay 127.0.0.1:0 http://127.0.0.1:9999
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

func main() {
	upstream, err := url.Parse(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(upstream)
			request.Out.Header.Set("Authorization", "Bearer upstream-secret")
		},
		// Without these Go keeps two idle connections to a host and opens new ones for all others.
		Transport: &http.Transport{
			MaxIdleConns:        4096,
			MaxIdleConnsPerHost: 4096,
			IdleConnTimeout:     time.Minute,
			DisableCompression:  true,
		},
		FlushInterval: -1, // every token at once
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ready on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, proxy))
}
