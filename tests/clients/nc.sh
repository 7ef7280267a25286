#!/bin/sh
# Reports by OpenBSD's nc, with -N: it ends its half of the connection after the request.
# tests/clients/programs.py says what every client does and prints.
url=$1 token=$3 door=$4
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
authority=${url#http://}
jail="?jail=$door.nc"

# Send what is in a file, and write a line for each answer: its status, and the first line of its text.
say() {
  nc -N -w 20 "${authority%:*}" "${authority#*:}" <"$folder/asked" 2>&1 | tr -d '\r' | awk -v name="nc $1" '
    /^HTTP\/1/ { status = $2; next }
    status == "" { print name, "broken", $0 }
    inside { print name, status, $0; inside = 0; told = 1 }
    status != "" && $0 == "" { inside = 1 }
    END { if (!told) print name, "broken", "no answer" }'
}

ask() {
  printf '%s\r\nHost: shim\r\nAuthorization: Bearer %s\r\n%b\r\n' "$1" "$2" "$3"
}

yes '{"ip": "203.0.113.66"}' | head -n 90000 >"$folder/large"
echo "version $(dpkg-query --show --showformat 'OpenBSD netcat ${Version}' netcat-openbsd 2>/dev/null || echo OpenBSD netcat)"
ask "GET /infraction/203.0.113.1$jail HTTP/1.1" "$token" '' >"$folder/asked"
for _ in 1 2 3; do say get; done
{
  ask "POST /infractions$jail HTTP/1.1" "$token" 'Content-Length: 46\r\n'
  printf '[{"ip": "203.0.113.5"}, {"ip": "203.0.113.6"}]'
} >"$folder/asked"
say json
for name in no_token too_large; do
  shown=$token
  [ $name = no_token ] && shown=none
  {
    ask "POST /infractions$jail HTTP/1.1" "$shown" 'Content-Length: 2070000\r\n'
    cat "$folder/large"
  } >"$folder/asked"
  say "$name"
done
