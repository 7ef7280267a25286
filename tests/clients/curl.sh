#!/bin/sh
# Reports by curl: as it is, and with --http2, which offers h2c with each request. With a body of more than a megabyte
# curl sends `Expect: 100-continue` by itself. tests/clients/programs.py says what every client does and prints.
url=$1 limited=$2 token=$3 door=$4
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
large=$folder/large

# One run of curl, and a line for each of its answers: the program's name, the case, the status, the answer's first line.
say() {
  name=$1
  shift
  if ! told=$(curl --silent --show-error --max-time 20 --write-out '\n%{http_code}\n' "$offer" "$@" 2>&1 </dev/null); then
    echo "$variant $name broken $(printf '%s' "$told" | grep '^curl: ')"
    return
  fi
  printf '%s\n' "$told" | awk -v name="$variant $name" '/^[0-9][0-9][0-9]$/ { print name, $0, text; text = ""; next }
    text == "" { text = $0 }'
}

report() {
  variant=$1 offer=$2
  jail="?jail=$door.$variant"
  secret="Authorization: Bearer $token"
  json='Content-Type: application/json'
  one="$url/infraction/203.0.113."
  many="$url/infractions$jail"
  # Several addresses in one run share a connection.
  say get --header "$secret" "${one}1$jail" "${one}1$jail" "${one}1$jail"
  say head --header "$secret" --head --output /dev/null "${one}2$jail"
  say post --header "$secret" --data 'user=root&password=123456' "${one}3$jail"
  printf 'user=root&password=123456' >"$folder/form"
  say put --header "$secret" --upload-file "$folder/form" "${one}4$jail"
  # Without a type curl says that it is a form.
  say json --header "$secret" --data '[{"ip": "203.0.113.5"}, {"ip": "203.0.113.6"}]' "$many"
  printf '{"ip": "203.0.113.7"}\n{"ip": "203.0.113.8"}\n' >"$folder/lines"
  say ndjson --header "$secret" --data-binary "@$folder/lines" "$many"
  printf '{"ip": "203.0.113.9"}' | gzip >"$folder/packed"
  say gzip --header "$secret" --header "$json" --header 'Content-Encoding: gzip' --data-binary "@$folder/packed" "$many"
  printf '{"ip": "203.0.113.10"}' >"$folder/short"
  say chunked --header "$secret" --header "$json" --header 'Transfer-Encoding: chunked' \
    --data-binary "@$folder/short" "$many"
  say expect --header "$secret" --header "$json" --header 'Expect: 100-continue' --data '{"ip": "203.0.113.11"}' "$many"
  refused no_token "$json" POST "$many"
  refused no_such_method "$secret" DELETE "$many"
  refused too_large "$secret" POST "$many"
  refused too_often "$secret" POST "$limited/infractions$jail"
  # Without `Expect` it sends its body at once.
  say at_once --header "$secret" --header 'Expect:' --data-binary "@$large" "$many"
}

refused() {
  say "$1" --header "$2" --request "$3" --data-binary "@$large" "$4"
  say after --header "$secret" "${one}12$jail"
}

yes '{"ip": "203.0.113.66"}' | head -n 90000 >"$large"
curl --version | sed -n '1s/^\(curl [^ ]*\).*/version \1/p'
report curl --http1.1
report curl-http2 --http2
