<?php

declare(strict_types=1);

// Runs the migrations that have not run yet, as the role that owns the schema (DATABASE_USER). Safe to run again at any
// time. Waits a little for a database that is still starting. A migration that fails ends it with nothing changed: with
// MISTAKEN if it would fail again, so that nobody waits for that, else with 1.

namespace VisionWeek;

use PDOException;
use Throwable;
use VisionWeek\Migrations\Migrator;

require __DIR__ . '/../vendor/autoload.php';

const WAIT_SECONDS = 60;
const MISTAKEN = 65; // EX_DATAERR of sysexits.h; the platform's Job ends with it
// SQLSTATEs that pass: connection lost, server going or coming, too many connections, a replica by now, a lock held by
// somebody else, a deadlock.
const PASSING = '/^(08|57P|53|25006|55P03|40)/';

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
    $cause = $error->getPrevious() ?? $error;
    exit($cause instanceof PDOException && preg_match(PASSING, (string) $cause->getCode()) ? 1 : MISTAKEN);
}
