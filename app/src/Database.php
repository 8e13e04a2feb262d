<?php

declare(strict_types=1);

namespace VisionWeek;

use PDO;
use PDOException;
use PDOStatement;

/**
 * PostgreSQL, connected to at the first query of a request.
 *
 * Values always travel apart from the SQL. They do so in one message with it (no named prepared statement stays on the
 * server), which also works through a pooler that hands a connection to another client after each transaction.
 */
final class Database
{
    /**
     * Classes and codes that say "not now" rather than "wrong query": connection lost, server shutting down or starting,
     * too many connections, writing to what was the primary a moment ago, and a statement that took longer than it may.
     */
    private const AWAY = '/^(08|57P|57014|53|25006)/';

    private const SYSTEM = ['db.system.name' => 'postgresql'];

    private ?PDO $connection = null;

    public function __construct(private readonly Settings $settings, private readonly Trace $trace)
    {
    }

    /**
     * @param array<string, string|int|null> $values
     * @return list<array<string, mixed>>
     */
    public function rows(string $sql, array $values = []): array
    {
        return $this->run($sql, $values)->fetchAll();
    }

    /**
     * @param array<string, string|int|null> $values
     * @return array<string, mixed>|null
     */
    public function row(string $sql, array $values = []): ?array
    {
        return $this->run($sql, $values)->fetch() ?: null;
    }

    /** The connection itself, for those who run whole files of SQL. */
    public function connection(): PDO
    {
        if ($this->connection === null) {
            try {
                $this->connection = $this->trace->asked('connect to the database', self::SYSTEM, fn (string $_) => $this->connect());
            } catch (PDOException $error) {
                throw $this->translate($error, connecting: true);
            }
        }
        return $this->connection;
    }

    /** @param array<string, string|int|null> $values */
    private function run(string $sql, array $values): PDOStatement
    {
        $connection = $this->connection();
        try {
            // The text of a question has none of its values.
            $about = ['db.query.text' => $sql] + self::SYSTEM;
            return $this->trace->asked(strtok($sql, " \n"), $about, function (string $span) use ($connection, $sql, $values) {
                $statement = $connection->prepare($sql . $this->trace->comment($span));
                $statement->execute($values);
                return $statement;
            });
        } catch (PDOException $error) {
            throw $this->translate($error, connecting: false);
        }
    }

    private function connect(): PDO
    {
        $settings = $this->settings;
        $parts = [
            // Twice: where no connection comes about in time, libpq tries the next host, and that one may come about at
            // once. Nothing was asked by then that could be done twice.
            'host' => "{$settings->databaseHost},{$settings->databaseHost}",
            'port' => (string) $settings->databasePort,
            'dbname' => $settings->databaseName,
            'sslmode' => $settings->databaseSslMode,
            'application_name' => 'vision-week-app',
            // A node that is gone answers nothing, not even with a reset: give up instead of keeping the worker. The first
            // is for a question that didn't arrive, the others are for an answer that doesn't come.
            'tcp_user_timeout' => '5000',
            'keepalives_idle' => '3',
            'keepalives_interval' => '1',
            'keepalives_count' => '3',
        ];
        if ($settings->databaseCaFile !== '') {
            $parts['sslrootcert'] = $settings->databaseCaFile;
        }
        $dsn = 'pgsql:' . implode(';', array_map(static fn ($name, $value) => "{$name}={$value}", array_keys($parts), $parts));
        return new PDO($dsn, $settings->databaseUser, Settings::secret($settings->databasePasswordFile), [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
            PDO::ATTR_TIMEOUT => 3,
            PDO::PGSQL_ATTR_DISABLE_PREPARES => true,
        ]);
    }

    private function translate(PDOException $error, bool $connecting): PDOException|Away
    {
        $state = (string) ($error->errorInfo[0] ?? '');
        // A lost connection has no code of its own.
        $lost = !$connecting && $state === 'HY000';
        $away = $connecting || $lost || preg_match(self::AWAY, $state) === 1;
        return $away ? new Away('The database', $error, perhapsDone: $lost) : $error;
    }
}
