#!/bin/sh
# Reports by ApacheBench with -k: HTTP/1.0 with `Connection: keep-alive`. It shows how many were answered otherwise than
# 200, and how many over a kept connection. tests/clients/programs.py says what every client does and prints.
url=$1 token=$3 door=$4
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

say() {
  name=$1
  shift
  ab -q -k -n 3 -c 1 -H "Authorization: Bearer $token" "$@" >"$folder/told" 2>&1
  awk -F ': *' -v name="ab $name" '
    { is[$1] = $2 + 0 }
    END {
      well = is["Complete requests"] == 3 && is["Failed requests"] == 0 && is["Non-2xx responses"] == 0
      told = well ? "200 kept:" is["Keep-Alive requests"] : "broken " $0
      for (turn = 0; turn < 3; turn++) print name, told
    }' "$folder/told"
}

ab -V | awk 'NR == 1 { print "version ApacheBench", $5 }'
say get "$url/infraction/203.0.113.1?jail=$door.ab"
printf '[{"ip": "203.0.113.5"}, {"ip": "203.0.113.6"}]' >"$folder/list"
say json -p "$folder/list" -T application/json "$url/infractions?jail=$door.ab"
