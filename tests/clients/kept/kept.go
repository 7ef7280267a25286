// Clients that keep their connections, in Go. programs.py says what each does.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func ask(client *http.Client, method, url, body string) string {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	answer, err := client.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "refused"
	}
	if err != nil {
		return fmt.Sprintf("broken %v", err)
	}
	defer answer.Body.Close()
	if _, err = io.ReadAll(answer.Body); err != nil {
		return fmt.Sprintf("broken %v", err)
	}
	return strconv.Itoa(answer.StatusCode)
}

// goOn reports until nobody listens at any place.
func goOn(client *http.Client, number, pauseMs int, urls []string) {
	at := number
	for turn := 0; ; turn++ {
		ip := fmt.Sprintf("199.%d.%d.%d", number, turn>>8, turn&255)
		method, path, body := "GET", "/infraction/"+ip, ""
		if turn%2 == 1 {
			method, path, body = "POST", "/infractions", fmt.Sprintf(`{"ip": "%s"}`, ip)
		}
		outcome := "refused"
		for tries := 0; tries < len(urls) && outcome == "refused"; tries++ {
			if outcome = ask(client, method, urls[at%len(urls)]+path, body); outcome == "refused" {
				at++
			}
		}
		if outcome == "refused" {
			return
		}
		fmt.Println(ip, method, outcome)
		time.Sleep(time.Duration(rand.Intn(2*pauseMs+1)) * time.Millisecond)
	}
}

func main() {
	first, _ := strconv.Atoi(os.Args[2])
	number, _ := strconv.Atoi(os.Args[3])
	pauseMs, _ := strconv.Atoi(os.Args[4])
	client := &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: number}, // 2 by default: the others would be closed after each request
	}
	var all sync.WaitGroup
	for each := 0; each < number; each++ {
		all.Add(1)
		go func(each int) {
			defer all.Done()
			goOn(client, first+each, pauseMs, os.Args[5:])
		}(each)
	}
	all.Wait()
}
