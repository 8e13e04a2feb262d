<?php

declare(strict_types=1);

namespace VisionWeek\Migrations;

use PDO;
use RuntimeException;
use Throwable;
use VisionWeek\Log;

/**
 * Brings the schema to what this release needs: each file of `migrations/` once, in the order of their names.
 *
 * A file runs in a transaction together with the note that it ran. An advisory lock keeps two runs apart, whichever pods
 * they are in. There is no way back: a release must work on its own schema and on the one before it, because both
 * versions serve while a roll-out lasts.
 */
final class Migrator
{
    /** Any number, as long as nothing else in this database locks on it. */
    private const LOCK = 7_352_915_032;

    public function __construct(
        private readonly PDO $connection,
        private readonly string $directory,
        private readonly Log $log,
    ) {
    }

    /** @return int how many files ran */
    public function run(): int
    {
        $files = glob("{$this->directory}/*.sql") ?: throw new RuntimeException("no migrations in {$this->directory}");
        $this->connection->exec('SELECT pg_advisory_lock(' . self::LOCK . ')');
        try {
            $applied = $this->applied();
            $this->refuseEdited($files, $applied);
            $count = 0;
            foreach ($files as $file) {
                if (!isset($applied[basename($file)])) {
                    $this->apply($file);
                    $count++;
                }
            }
            return $count;
        } finally {
            $this->connection->exec('SELECT pg_advisory_unlock(' . self::LOCK . ')');
        }
    }

    /** @return array<string, string> name => checksum */
    private function applied(): array
    {
        $this->connection->exec('SET client_min_messages = warning');
        $this->connection->exec(
            'CREATE TABLE IF NOT EXISTS schema_migrations (
                name text PRIMARY KEY,
                sha256 text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now()
            )',
        );
        $statement = $this->connection->query('SELECT name, sha256 FROM schema_migrations');
        assert($statement !== false);
        return $statement->fetchAll(PDO::FETCH_KEY_PAIR);
    }

    /**
     * @param list<string> $files
     * @param array<string, string> $applied
     */
    private function refuseEdited(array $files, array $applied): void
    {
        foreach ($files as $file) {
            $name = basename($file);
            if (isset($applied[$name]) && $applied[$name] !== hash_file('sha256', $file)) {
                throw new RuntimeException("{$name} was changed after it ran. Undo that and add a new migration instead");
            }
        }
    }

    private function apply(string $file): void
    {
        $name = basename($file);
        $this->log->info('migration runs', ['migration' => $name]);
        $this->connection->beginTransaction();
        try {
            // Not behind a long query: whoever waits for an exclusive lock makes every later query wait too.
            $this->connection->exec("SET LOCAL lock_timeout = '10s'");
            $this->connection->exec((string) file_get_contents($file));
            $this->connection
                ->prepare('INSERT INTO schema_migrations (name, sha256) VALUES (?, ?)')
                ->execute([$name, hash_file('sha256', $file)]);
            $this->connection->commit();
        } catch (Throwable $error) {
            if ($this->connection->inTransaction()) {
                $this->connection->rollBack();
            }
            throw new RuntimeException("{$name}: {$error->getMessage()}", previous: $error);
        }
    }
}
