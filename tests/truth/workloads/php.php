<?php
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The truth workload in PHP (curl), under FPM or mod_php: /w/ID?n=N makes N calls to $DOWN, with
// par=1 together. What it did goes to the file $TRUTH; FPM's own requests are FastCGI.
$id = explode('/', parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH))[2];
$lines = '';

function tell(array $line): void {
    global $lines;
    $lines .= json_encode($line + ['pid' => getmypid(), 'method' => 'GET', 'req' => 0]) . "\n";
}

function told(CurlHandle $c, string $id, string $got): void {
    tell(['side' => 'client', 'id' => $id, 'resp' => strlen($got),
          'status' => curl_getinfo($c, CURLINFO_RESPONSE_CODE)]);
}

function handle(string $id): CurlHandle {
    $c = curl_init();
    curl_setopt_array($c, [CURLOPT_RETURNTRANSFER => true,
                           CURLOPT_URL => "http://127.0.0.1:{$_SERVER['DOWN']}/w/$id"]);
    return $c;
}

$ids = array_map(fn ($i) => "$id.$i", range(0, (int)$_GET['n'] - 1));
if (isset($_GET['par'])) {
    $all = curl_multi_init();
    $handles = array_combine($ids, array_map('handle', $ids));
    foreach ($handles as $c)
        curl_multi_add_handle($all, $c);
    do {
        curl_multi_exec($all, $running);
        curl_multi_select($all);
    } while ($running);
    foreach ($handles as $one => $c)
        told($c, $one, curl_multi_getcontent($c));
} else {
    $c = handle($id);
    foreach ($ids as $one) {
        curl_setopt($c, CURLOPT_URL, "http://127.0.0.1:{$_SERVER['DOWN']}/w/$one");
        told($c, $one, curl_exec($c));
    }
}
tell(['side' => 'server', 'id' => $id, 'resp' => 2, 'status' => 200] +
     (PHP_SAPI === 'fpm-fcgi' ? ['system' => 'FastCGI'] : []));
file_put_contents($_SERVER['TRUTH'], $lines, FILE_APPEND | LOCK_EX);
header('Content-Length: 2');
echo 'ok';
