<?php

declare(strict_types=1);

namespace VisionWeek\Security;

use Redis;
use VisionWeek\Http\Problem;
use VisionWeek\KeyValue;

/**
 * At most 5 login attempts a minute from one address, over all replicas (S3.2).
 *
 * nginx limits too, but each pod counts for itself: with twenty replicas that alone would admit a hundred attempts.
 */
final class LoginLimit
{
    private const ATTEMPTS = 5;
    private const SECONDS = 60;

    /** Counting and setting the expiry in one step: a counter left without one would lock an address out for good. */
    private const COUNT = <<<'LUA'
        local count = redis.call('INCR', KEYS[1])
        if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
        return {count, redis.call('TTL', KEYS[1])}
        LUA;

    public function __construct(private readonly KeyValue $store)
    {
    }

    public function check(string $address): void
    {
        [$count, $remaining] = $this->store->use(
            static fn (Redis $redis) => $redis->eval(self::COUNT, ["logins:{$address}", self::SECONDS], 1),
        );
        if ($count > self::ATTEMPTS) {
            throw new Problem(
                429,
                'Too many login attempts. Wait a little and try again.',
                ['Retry-After' => (string) max(1, (int) $remaining)],
            );
        }
    }
}
