// Reports as Go programs do, by net/http. tests/clients/programs.py says what every client does and prints.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

var client = &http.Client{Timeout: 20 * time.Second}

type request struct {
	name, method, url, token, kind, how, body string
}

func main() {
	url, limited, token, jail := os.Args[1], os.Args[2], os.Args[3], "?jail="+os.Args[4]+".net-http"
	one := func(last string) string { return url + "/infraction/203.0.113." + last + jail }
	many := url + "/infractions" + jail
	form, json := "user=root&password=123456", "application/json"
	large := strings.Repeat("{\"ip\": \"203.0.113.66\"}\n", 90_000)
	fmt.Println("version", "Go", strings.TrimPrefix(runtime.Version(), "go"))
	for turn := 0; turn < 3; turn++ {
		say(request{"get", "GET", one("1"), token, "", "", ""})
	}
	say(request{"head", "HEAD", one("2"), token, "", "", ""})
	say(request{"post", "POST", one("3"), token, "", "", form})
	say(request{"put", "PUT", one("4"), token, "", "", form})
	say(request{"json", "POST", many, token, json, "", `[{"ip": "203.0.113.5"}, {"ip": "203.0.113.6"}]`})
	lines := "{\"ip\": \"203.0.113.7\"}\n{\"ip\": \"203.0.113.8\"}\n"
	say(request{"ndjson", "POST", many, token, "application/x-ndjson", "", lines})
	say(request{"gzip", "POST", many, token, json, "gzip", zipped(`{"ip": "203.0.113.9"}`)})
	say(request{"chunked", "POST", many, token, json, "chunked", `{"ip": "203.0.113.10"}`})
	say(request{"expect", "POST", many, token, json, "expect", `{"ip": "203.0.113.11"}`})
	for _, refusal := range []request{
		{"no_token", "POST", many, "", json, "", large},
		{"no_such_method", "DELETE", many, token, json, "", large},
		{"too_large", "POST", many, token, json, "", large},
		{"too_often", "POST", limited + "/infractions" + jail, token, json, "", large},
	} {
		say(refusal)
		say(request{"after", "GET", one("12"), token, "", "", ""})
	}
}

func say(what request) {
	status, text, err := ask(what)
	if err != nil {
		fmt.Println("net-http", what.name, "broken", err)
		return
	}
	line, _, _ := strings.Cut(text, "\n")
	fmt.Println("net-http", what.name, status, line)
}

func ask(what request) (int, string, error) {
	var body io.Reader
	if what.body != "" {
		body = strings.NewReader(what.body)
	}
	if what.how == "chunked" {
		body = io.MultiReader(body) // hides its length
	}
	made, err := http.NewRequest(what.method, what.url, body)
	if err != nil {
		return 0, "", err
	}
	if what.token != "" {
		made.Header.Set("Authorization", "Bearer "+what.token)
	}
	if what.kind != "" {
		made.Header.Set("Content-Type", what.kind)
	}
	if what.how == "gzip" {
		made.Header.Set("Content-Encoding", "gzip")
	}
	if what.how == "expect" {
		made.Header.Set("Expect", "100-continue")
	}
	answer, err := client.Do(made)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func zipped(text string) string {
	var packed bytes.Buffer
	out := gzip.NewWriter(&packed)
	_, _ = out.Write([]byte(text))
	_ = out.Close()
	return packed.String()
}
