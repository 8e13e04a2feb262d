<?php

declare(strict_types=1);

// Writes a row after the other, by the application's own code, and says of each attempt how it ended. One that failed
// isn't tried again, since it may have been done all the same: each attempt has a number of its own.

require '/var/www/html/vendor/autoload.php';

$settings = VisionWeek\Settings::fromEnvironment();
$trace = new VisionWeek\Trace($settings, new VisionWeek\Log($settings->logLevel));
$database = new VisionWeek\Database($settings, $trace);
// After an outage the cluster may still be finding its names and nodes again.
for ($ready = false; !$ready;) {
    try {
        $database->rows('CREATE TABLE acknowledged_writes (number bigint PRIMARY KEY)');
        $ready = true;
    } catch (VisionWeek\Away) {
        usleep(200000);
    }
}
for ($number = 1;; $number++) {
    $said = ['number' => $number];
    try {
        $database->rows('INSERT INTO acknowledged_writes VALUES (:number)', ['number' => $number]);
    } catch (Throwable $error) {
        $said['failed'] = ($error->getPrevious() ?? $error)->getMessage();
        $database = new VisionWeek\Database($settings, $trace);
    }
    echo json_encode([...$said, 'at' => microtime(true)]), "\n";
    usleep(10000);
}
