<?php

declare(strict_types=1);

namespace VisionWeek\Health;

use Closure;
use Redis;
use RuntimeException;
use Throwable;
use VisionWeek\Away;
use VisionWeek\Database;
use VisionWeek\KeyValue;

/** Whether what the application needs answers. */
final class Checks
{
    public function __construct(
        private readonly Database $database,
        private readonly KeyValue $store,
        private readonly string $uploadsPath,
    ) {
    }

    /** @return array<string, array{ok: bool, seconds: float, error?: string}> */
    public function run(): array
    {
        return [
            'database' => $this->time(fn () => $this->database->row('SELECT 1 AS one')),
            'redis' => $this->time(fn () => $this->store->useNow(static fn (Redis $redis) => $redis->ping())),
            'storage' => $this->time(fn () => is_dir($this->uploadsPath) && is_writable($this->uploadsPath)
                ?: throw new RuntimeException("{$this->uploadsPath} is not a directory that can be written to")),
        ];
    }

    /** @return array{ok: bool, seconds: float, error?: string} */
    private function time(Closure $check): array
    {
        $start = hrtime(true);
        try {
            $check();
            $error = null;
        } catch (Throwable $failure) {
            $error = ($failure instanceof Away ? $failure->getPrevious() : $failure)?->getMessage();
        }
        $result = ['ok' => $error === null, 'seconds' => round((hrtime(true) - $start) / 1e9, 4)];
        return $error === null ? $result : $result + ['error' => $error];
    }
}
