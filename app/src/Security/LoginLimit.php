<?php

declare(strict_types=1);

namespace VisionWeek\Security;

use Redis;
use VisionWeek\Http\Problem;
use VisionWeek\KeyValue;

/**
 * So many login attempts a minute from one client, over all replicas: 5, if the stack says nothing else (S3.2).
 *
 * nginx limits too, but each pod counts for itself: with twenty replicas that alone would admit a hundred attempts. As
 * there, a client of IPv6 is its network: it has a whole /64 to choose addresses from.
 */
final class LoginLimit
{
    private const SECONDS = 60;

    /** Counting and setting the expiry in one step: a counter left without one would lock an address out for good. */
    private const COUNT = <<<'LUA'
        local count = redis.call('INCR', KEYS[1])
        if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
        return {count, redis.call('TTL', KEYS[1])}
        LUA;

    public function __construct(private readonly KeyValue $store, private readonly int $attempts)
    {
    }

    public function check(string $address): void
    {
        [$count, $remaining] = $this->store->use(
            static fn (Redis $redis) => $redis->eval(self::COUNT, ['logins:' . self::client($address), self::SECONDS], 1),
        );
        if ($count > $this->attempts) {
            throw new Problem(
                429,
                'Too many login attempts. Wait a little and try again.',
                ['Retry-After' => (string) max(1, (int) $remaining)],
            );
        }
    }

    /** An IPv4 address, also where a proxy wrote it as IPv6 (::ffff:192.0.2.1); of IPv6 the network. */
    private static function client(string $address): string
    {
        $bytes = (string) inet_pton($address);
        if (strlen($bytes) !== 16) {
            return $address;
        }
        return str_starts_with($bytes, str_repeat("\0", 10) . "\xff\xff")
            ? (string) inet_ntop(substr($bytes, 12))
            : inet_ntop(substr($bytes, 0, 8) . str_repeat("\0", 8)) . '/64';
    }
}
