<?php
// Clients that keep their connections, in PHP: curl, each with a handle and a process. programs.py says what each does.
declare(strict_types=1);

[, , $first, $number, $pause_ms] = $argv;
$urls = array_slice($argv, 5);

function outcome_of(CurlHandle $handle, string $method, string $url, ?string $body): string
{
    curl_reset($handle); // keeps its connection
    curl_setopt_array($handle, [CURLOPT_URL => $url, CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 20]);
    if ($body !== null) {
        curl_setopt($handle, CURLOPT_POSTFIELDS, $body);
    }
    if (curl_exec($handle) !== false) {
        return (string) curl_getinfo($handle, CURLINFO_RESPONSE_CODE);
    }
    return curl_errno($handle) === CURLE_COULDNT_CONNECT ? 'refused' : 'broken ' . curl_error($handle);
}

function go_on(int $client): void
{
    global $pause_ms, $urls;
    $handle = curl_init();
    $at = $client;
    for ($turn = 0; ; $turn++) {
        $ip = sprintf('199.%d.%d.%d', $client, $turn >> 8, $turn & 255);
        [$method, $path, $body] = $turn % 2
            ? ['POST', '/infractions', json_encode(['ip' => $ip])]
            : ['GET', "/infraction/$ip", null];
        $outcome = 'refused';
        for ($tries = 0; $tries < count($urls) && $outcome === 'refused'; $tries++) {
            $outcome = outcome_of($handle, $method, $urls[$at % count($urls)] . $path, $body);
            $at += $outcome === 'refused' ? 1 : 0;
        }
        if ($outcome === 'refused') {
            return;
        }
        echo "$ip $method $outcome\n";
        usleep(random_int(0, 2000 * (int) $pause_ms));
    }
}

for ($client = 0; $client < (int) $number; $client++) {
    if (pcntl_fork() === 0) {
        go_on((int) $first + $client);
        exit(0);
    }
}
while (pcntl_wait($status) > 0);
