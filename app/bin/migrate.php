<?php

declare(strict_types=1);

// Runs the migrations that have not run yet, as the role that owns the schema (DATABASE_USER). Safe to run again at any
// time. Waits a little for a database that is still starting, or that takes no writes until its members have chosen a
// primary. A migration that fails ends it with nothing changed: with MISTAKEN if it would fail again, so that nobody
// waits for that, else with 1.

namespace VisionWeek;

use PDOException;
use Throwable;
use VisionWeek\Migrations\Migrator;

require __DIR__ . '/../vendor/autoload.php';

const WAIT_SECONDS = 60;
const MISTAKEN = 65; // EX_DATAERR of sysexits.h; the platform's Job ends with it
// SQLSTATEs worth waiting for: connection lost, server going or coming, too many connections, a replica by now.
const AWAY = '/^(08|57P|53|25006)/';
// SQLSTATEs that pass, though nobody knows when: a lock held by somebody else, a deadlock.
const PASSING = '/^(55P03|40)/';

$settings = Settings::fromEnvironment();
$log = new Log($settings->logLevel);
$deadline = time() + WAIT_SECONDS;

while (true) {
    try {
        $connection = (new Database($settings, new Trace($settings, $log)))->connection();
        $count = (new Migrator($connection, __DIR__ . '/../migrations', $log))->run();
        $log->info('schema is up to date', ['applied' => $count]);
        exit(0);
    } catch (Throwable $error) {
        $cause = $error->getPrevious() ?? $error;
        $state = $cause instanceof PDOException ? (string) $cause->getCode() : '';
        $away = $error instanceof Away || preg_match(AWAY, $state);
        if (!$away) {
            $log->error('migration failed', ['cause' => $error->getMessage()]);
            exit(preg_match(PASSING, $state) ? 1 : MISTAKEN);
        }
        if (time() >= $deadline) {
            $log->error('the database took no writes for ' . WAIT_SECONDS . ' s', ['cause' => $cause->getMessage()]);
            exit(1);
        }
        $log->info('waiting for the database', ['cause' => $cause->getMessage()]);
        sleep(2);
    }
}
