<?php

declare(strict_types=1);

namespace VisionWeek;

use Closure;
use Redis;
use RedisException;

/**
 * Redis, over a connection that a worker keeps from request to request: TLS is begun once. Every key starts with
 * `vision-week:`.
 *
 * A kept connection is tried before it is used, with the password of now (phpredis' pool, AUTH and ECHO in one message):
 * one that has died meanwhile, or that an interrupted request left an answer in, is replaced and not noticed.
 */
final class KeyValue
{
    public const PREFIX = 'vision-week:';

    private const CONNECT_SECONDS = 1.0;
    private const READ_SECONDS = 2.0;

    private ?Redis $connection = null;

    private ?Away $away = null;

    public function __construct(private readonly Settings $settings, private readonly Trace $trace)
    {
    }

    /**
     * @template T
     * @param Closure(Redis): T $use
     * @return T
     */
    public function use(Closure $use): mixed
    {
        return $this->trace->asked('Redis', ['db.system.name' => 'redis'], fn (string $_) => $this->used($use));
    }

    /**
     * @template T
     * @param Closure(Redis): T $use
     * @return T
     */
    private function used(Closure $use): mixed
    {
        if ($this->away !== null) {
            // One request waits for a dead Redis once, not once a call.
            throw $this->away;
        }
        try {
            $this->connection ??= $this->connect();
            try {
                return $use($this->connection);
            } catch (RedisException) {
                // It died under the question, or leads to what was the primary before a fail-over: a new one leads to who
                // is it now. What is asked twice does no harm: at worst an attempt counts double, or a message is heard twice.
                $this->connection->close();
                return $use($this->connection = $this->connect());
            }
        } catch (RedisException $error) {
            $this->connection?->close();
            $this->connection = null;
            $this->away = new Away('The session and cache store', $error);
            throw $this->away;
        }
    }

    private function connect(): Redis
    {
        $redis = new Redis();
        $user = $this->settings->redisUser;
        $password = Settings::secret($this->settings->redisPasswordFile);
        $authority = $this->settings->redisCaFile;
        $options = $password === '' ? [] : ['auth' => [$user, $password]];
        if ($authority !== '') {
            $options['stream'] = ['cafile' => $authority, 'verify_peer' => true, 'verify_peer_name' => true];
        }
        // The warning of a failed connection comes before the exception that says the same.
        @$redis->pconnect(
            ($authority === '' ? '' : 'tls://') . $this->settings->redisHost,
            $this->settings->redisPort,
            self::CONNECT_SECONDS,
            null,
            0,
            self::READ_SECONDS,
            $options,
        );
        $redis->setOption(Redis::OPT_PREFIX, self::PREFIX);
        return $redis;
    }
}
