#!/bin/sh
# Reports by wget, which keeps a connection for the addresses of one run.
# tests/clients/programs.py says what every client does and prints.
url=$1 limited=$2 token=$3 door=$4
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
jail="?jail=$door.wget"
one="$url/infraction/203.0.113."
many="$url/infractions$jail"

# One run of wget, and a line for each of its answers. It writes the heads of the answers to its errors.
say() {
  name=$1
  shift
  wget --no-config --quiet --server-response --tries 1 --timeout 20 --content-on-error --output-document - "$@" \
    >"$folder/text" 2>"$folder/heads" </dev/null
  awk '$1 ~ /^HTTP\// && $2 != 100 { print $2 }' "$folder/heads" >"$folder/statuses"
  [ -s "$folder/statuses" ] || echo "broken $(tail -n 1 "$folder/heads")" >"$folder/statuses"
  # Of a 401 it shows nothing, and asks no second time: --auth-no-challenge is for those that name Basic.
  [ -s "$folder/text" ] || sed -n 's/^ *WWW-Authenticate: //pI' "$folder/heads" >"$folder/text"
  paste -d ' ' "$folder/statuses" "$folder/text" | sed "s/^/wget $name /"
}

refused() {
  say "$1" --header "$2" --method "$3" --body-file "$folder/large" "$4"
  say after --header "$secret" "${one}12$jail"
}

yes '{"ip": "203.0.113.66"}' | head -n 90000 >"$folder/large"
wget --version | awk 'NR == 1 { print "version wget", $3 }'
secret="Authorization: Bearer $token"
json='Content-Type: application/json'
say get --header "$secret" "${one}1$jail" "${one}1$jail" "${one}1$jail"
say head --header "$secret" --method HEAD "${one}2$jail"
say post --header "$secret" --post-data 'user=root&password=123456' "${one}3$jail"
say put --header "$secret" --method PUT --body-data 'user=root&password=123456' "${one}4$jail"
say json --header "$secret" --post-data '[{"ip": "203.0.113.5"}, {"ip": "203.0.113.6"}]' "$many"
printf '{"ip": "203.0.113.7"}\n{"ip": "203.0.113.8"}\n' >"$folder/lines"
say ndjson --header "$secret" --post-file "$folder/lines" "$many"
printf '{"ip": "203.0.113.9"}' | gzip >"$folder/packed"
say gzip --header "$secret" --header "$json" --header 'Content-Encoding: gzip' --post-file "$folder/packed" "$many"
refused no_token "$json" POST "$many"
refused no_such_method "$secret" DELETE "$many"
refused too_large "$secret" POST "$many"
refused too_often "$secret" POST "$limited/infractions$jail"
