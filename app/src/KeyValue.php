<?php

declare(strict_types=1);

namespace VisionWeek;

use Closure;
use Redis;
use RedisException;

/** Redis, connected to at the first use in a request. Every key starts with `vision-week:`. */
final class KeyValue
{
    public const PREFIX = 'vision-week:';

    private const CONNECT_SECONDS = 1.0;
    private const READ_SECONDS = 2.0;

    private ?Redis $connection = null;

    private ?Away $away = null;

    public function __construct(private readonly Settings $settings)
    {
    }

    /**
     * @template T
     * @param Closure(Redis): T $use
     * @return T
     */
    public function use(Closure $use): mixed
    {
        if ($this->away !== null) {
            // One request waits for a dead Redis once, not once a call.
            throw $this->away;
        }
        try {
            $this->connection ??= $this->connect();
            return $use($this->connection);
        } catch (RedisException $error) {
            $this->connection = null;
            $this->away = new Away('The session and cache store', $error);
            throw $this->away;
        }
    }

    private function connect(): Redis
    {
        $redis = new Redis();
        // The warning of a failed connection comes before the exception that says the same.
        @$redis->connect(
            $this->settings->redisHost,
            $this->settings->redisPort,
            self::CONNECT_SECONDS,
            null,
            0,
            self::READ_SECONDS,
        );
        $password = Settings::secret($this->settings->redisPasswordFile);
        if ($password !== '') {
            $redis->auth($password);
        }
        $redis->setOption(Redis::OPT_PREFIX, self::PREFIX);
        return $redis;
    }
}
