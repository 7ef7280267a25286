#!/bin/sh
# Reports by what small images have: busybox's wget, and its nc, which ends its half of the connection after the request.
# Its wget has GET and POST only, and shows of a refusal the line with the status.
# tests/clients/programs.py says what every client does and prints.
url=$1 limited=$2 token=$3 door=$4
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
authority=${url#http://}
host=${authority%:*} port=${authority#*:}
secret="Authorization: Bearer $token"

say() {
  name=$1
  shift
  if busybox wget -q -O - "$@" >"$folder/told" 2>&1 </dev/null; then
    echo "busybox-wget $name 200 $(head -n 1 "$folder/told")"
  else
    refused=$(sed -n 's/.*server returned error: HTTP\/1.1 //p' "$folder/told")
    echo "busybox-wget $name ${refused:-broken $(tail -n 1 "$folder/told")}"
  fi
}

refused() {
  say "$1" --header "$2" --post-file "$folder/large" "$3"
  say after --header "$secret" "${one}12$jail"
}

# Send a request as it stands in a file, and show the answer's status and the first line of its text.
raw() {
  busybox timeout 20 busybox nc "$host" "$port" <"$2" 2>&1 | tr -d '\r' |
    awk -v name="busybox-nc $1" '
      NR == 1 { status = $2; told = $0 }
      inside { text = $0; exit }
      $0 == "" { inside = 1 }
      END { print name, (status ~ /^[0-9]+$/ ? status " " text : "broken " told) }'
}

asked() {
  printf '%s\r\nHost: shim\r\nAuthorization: Bearer %s\r\nConnection: close\r\n%s' "$1" "$2" "$3" >"$folder/asked"
}

yes '{"ip": "203.0.113.66"}' | head -n 90000 >"$folder/large"
busybox | awk 'NR == 1 { print "version BusyBox", substr($2, 2) }'
jail="?jail=$door.busybox-wget"
one="$url/infraction/203.0.113."
many="$url/infractions$jail"
for _ in 1 2 3; do say get --header "$secret" "${one}1$jail"; done
say post --header "$secret" --post-data 'user=root&password=123456' "${one}3$jail"
say json --header "$secret" --post-data '[{"ip": "203.0.113.5"}, {"ip": "203.0.113.6"}]' "$many"
printf '{"ip": "203.0.113.7"}\n{"ip": "203.0.113.8"}\n' >"$folder/lines"
say ndjson --header "$secret" --post-file "$folder/lines" "$many"
refused no_token 'X-None: none' "$many"
refused too_large "$secret" "$many"
refused too_often "$secret" "$limited/infractions$jail"

jail="?jail=$door.busybox-nc"
crlf=$(printf '\r\n.')
crlf=${crlf%.}
for _ in 1 2 3; do
  asked "GET /infraction/203.0.113.1$jail HTTP/1.1" "$token" "$crlf"
  raw get "$folder/asked"
done
asked "POST /infractions$jail HTTP/1.1" "$token" "Content-Length: 46$crlf$crlf"
printf '[{"ip": "203.0.113.5"}, {"ip": "203.0.113.6"}]' >>"$folder/asked"
raw json "$folder/asked"
for name in no_token too_large; do
  shown=$token
  [ $name = no_token ] && shown=none
  asked "POST /infractions$jail HTTP/1.1" "$shown" "Content-Length: 2070000$crlf$crlf"
  cat "$folder/large" >>"$folder/asked"
  raw "$name" "$folder/asked"
done
