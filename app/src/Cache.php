<?php

declare(strict_types=1);

namespace VisionWeek;

use Closure;
use Redis;

/**
 * What was read from the database a moment ago.
 *
 * Entries belong to a group whose generation is part of their keys. A write raises the generation, so that an answer
 * that was read before the write, and is stored after it, is stored where nobody looks. Without Redis everything is
 * read from the database: slower, not wrong.
 */
final class Cache
{
    public function __construct(
        private readonly KeyValue $store,
        private readonly Metrics $metrics,
        private readonly Log $log,
    ) {
    }

    /**
     * @param Closure(): mixed $read
     * @return array{mixed, string} the value, and `hit`, `miss` or `bypass` (no Redis)
     */
    public function remember(string $group, string $name, int $seconds, Closure $read): array
    {
        $key = null;
        try {
            [$key, $found] = $this->store->useNow(static function (Redis $redis) use ($group, $name): array {
                $key = "cache:{$group}:" . ((int) $redis->get("generation:{$group}")) . ":{$name}";
                return [$key, $redis->get($key)];
            });
            if (is_string($found)) {
                return $this->counted(json_decode($found, true, flags: JSON_THROW_ON_ERROR), 'hit');
            }
        } catch (Away $away) {
            $this->log->warning('cache is bypassed', ['cause' => (string) $away->getPrevious()?->getMessage()]);
        }
        $value = $read();
        if ($key === null) {
            return $this->counted($value, 'bypass');
        }
        try {
            $entry = json_encode($value, JSON_THROW_ON_ERROR);
            $this->store->useNow(static fn (Redis $redis) => $redis->setex($key, $seconds, $entry));
        } catch (Away $away) {
            $this->log->warning('cache entry is not stored', ['cause' => (string) $away->getPrevious()?->getMessage()]);
        }
        return $this->counted($value, 'miss');
    }

    /** To be called after the write is committed. */
    public function forget(string $group): void
    {
        try {
            $this->store->use(static fn (Redis $redis) => $redis->incr("generation:{$group}"));
        } catch (Away $away) {
            // Old answers may be seen until they expire, which is why entries live for seconds only.
            $this->log->warning('cache is not invalidated', ['cause' => (string) $away->getPrevious()?->getMessage()]);
        }
    }

    /** @return array{mixed, string} */
    private function counted(mixed $value, string $result): array
    {
        $this->metrics->count('vision_week_cache_reads_total', ['result' => $result]);
        return [$value, $result];
    }
}
