<?php

declare(strict_types=1);

// Runs the migrations that have not run yet, as the role that owns the schema (DATABASE_USER). Safe to run again at any
// time. Waits a little for a database that is still starting; a migration that fails ends it with 1 and nothing changed.

namespace VisionWeek;

use Throwable;
use VisionWeek\Migrations\Migrator;

require __DIR__ . '/../vendor/autoload.php';

const WAIT_SECONDS = 60;

$settings = Settings::fromEnvironment();
$log = new Log($settings->logLevel);
$deadline = time() + WAIT_SECONDS;

while (true) {
    try {
        $connection = (new Database($settings))->connection();
        break;
    } catch (Away $away) {
        $cause = (string) $away->getPrevious()?->getMessage();
        if (time() >= $deadline) {
            $log->error('the database did not answer in ' . WAIT_SECONDS . ' s', ['cause' => $cause]);
            exit(1);
        }
        $log->info('waiting for the database', ['cause' => $cause]);
        sleep(2);
    }
}

try {
    $count = (new Migrator($connection, __DIR__ . '/../migrations', $log))->run();
    $log->info('schema is up to date', ['applied' => $count]);
} catch (Throwable $error) {
    $log->error('migration failed', ['cause' => $error->getMessage()]);
    exit(1);
}
