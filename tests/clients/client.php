<?php
// Reports as PHP programs do: by curl, on one handle that keeps its connection, and by streams (file_get_contents).
// tests/clients/programs.py says what every client does and prints.
declare(strict_types=1);

[, $url, $limited, $token, $door] = $argv;
$handle = curl_init();

function headers_of(string $secret, ?string $type, string $how): array
{
    $headers = [];
    if ($secret !== '') {
        $headers[] = "Authorization: Bearer $secret";
    }
    if ($type !== null) {
        $headers[] = "Content-Type: $type";
    }
    if ($how === 'gzip') {
        $headers[] = 'Content-Encoding: gzip';
    }
    if ($how === 'chunked') {
        $headers[] = 'Transfer-Encoding: chunked';
    }
    if ($how === 'expect') {
        $headers[] = 'Expect: 100-continue';
    }
    return $headers;
}

function by_curl(string $method, string $to, string $secret, ?string $type, string $how, ?string $body): array
{
    global $handle;
    curl_reset($handle); // keeps its connection
    curl_setopt_array($handle, [
        CURLOPT_URL => $to,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 20,
        CURLOPT_HTTPHEADER => headers_of($secret, $type, $how),
        CURLOPT_NOBODY => $method === 'HEAD',
    ]);
    if ($how === 'chunked') {
        $left = $body;
        curl_setopt($handle, CURLOPT_POST, true);
        curl_setopt($handle, CURLOPT_READFUNCTION, function ($_handle, $_file, $size) use (&$left) {
            [$part, $left] = [substr($left, 0, $size), substr($left, $size)];
            return $part;
        });
    } elseif ($body !== null) {
        curl_setopt($handle, CURLOPT_POSTFIELDS, $body);
        curl_setopt($handle, CURLOPT_CUSTOMREQUEST, $method);
    }
    $text = curl_exec($handle);
    if ($text === false) {
        throw new RuntimeException(curl_error($handle));
    }
    return [curl_getinfo($handle, CURLINFO_RESPONSE_CODE), (string) $text];
}

function by_streams(string $method, string $to, string $secret, ?string $type, string $how, ?string $body): array
{
    $context = stream_context_create(['http' => [
        'method' => $method,
        'header' => headers_of($secret, $type ?? 'application/x-www-form-urlencoded', $how),
        'content' => $body ?? '',
        'ignore_errors' => true,
        'timeout' => 20,
    ]]);
    $text = @file_get_contents($to, false, $context);
    if ($text === false || !isset($http_response_header[0])) {
        throw new RuntimeException(error_get_last()['message'] ?? 'no answer');
    }
    $lines = preg_grep('/^HTTP/', $http_response_header);
    return [(int) explode(' ', end($lines))[1], $text];
}

function report(string $variant, callable $ask, bool $chunked): void
{
    global $url, $limited, $token, $door;
    $say = function (string $name, ...$what) use ($variant, $ask): void {
        try {
            [$status, $text] = $ask(...$what);
            $told = "$status " . explode("\n", $text)[0];
        } catch (RuntimeException $error) {
            $told = 'broken ' . $error->getMessage();
        }
        echo "$variant $name $told\n";
    };
    $jail = "?jail=$door.$variant";
    $one = fn (int $last): string => "$url/infraction/203.0.113.$last$jail";
    $many = "$url/infractions$jail";
    $json = 'application/json';
    $form = 'user=root&password=123456';
    for ($turn = 0; $turn < 3; $turn++) {
        $say('get', 'GET', $one(1), $token, null, '', null);
    }
    $say('head', 'HEAD', $one(2), $token, null, '', null);
    $say('post', 'POST', $one(3), $token, null, '', $form);
    $say('put', 'PUT', $one(4), $token, null, '', $form);
    $say('json', 'POST', $many, $token, $json, '', '[{"ip": "203.0.113.5"}, {"ip": "203.0.113.6"}]');
    $lines = "{\"ip\": \"203.0.113.7\"}\n{\"ip\": \"203.0.113.8\"}\n";
    $say('ndjson', 'POST', $many, $token, 'application/x-ndjson', '', $lines);
    $say('gzip', 'POST', $many, $token, $json, 'gzip', gzencode('{"ip": "203.0.113.9"}'));
    if ($chunked) {
        $say('chunked', 'POST', $many, $token, $json, 'chunked', '{"ip": "203.0.113.10"}');
        $say('expect', 'POST', $many, $token, $json, 'expect', '{"ip": "203.0.113.11"}');
    }
    $large = str_repeat("{\"ip\": \"203.0.113.66\"}\n", 90_000);
    foreach ([
        ['no_token', 'POST', $many, ''],
        ['no_such_method', 'DELETE', $many, $token],
        ['too_large', 'POST', $many, $token],
        ['too_often', 'POST', "$limited/infractions$jail", $token],
    ] as $refused) {
        $say(...[...$refused, $json, '', $large]);
        $say('after', 'GET', $one(12), $token, null, '', null);
    }
}

echo 'version PHP ' . PHP_VERSION . ', curl ' . curl_version()['version'] . "\n";
report('php-curl', 'by_curl', true);
report('php-streams', 'by_streams', false);
