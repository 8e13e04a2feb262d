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
 * A kept connection is tried before it is used (phpredis' pool, by ECHO), and shows the password of now: one that has died
 * meanwhile, or that an interrupted request left an answer in, is replaced and not noticed.
 */
final class KeyValue
{
    public const PREFIX = 'vision-week:';

    private const CONNECT_SECONDS = 1.0;
    private const READ_SECONDS = 2.0;
    /** A primary hands over within a second (docs/redis.md). */
    private const HAND_OVER_SECONDS = 1.5;
    private const PAUSE_MICROSECONDS = 100_000;

    private ?Redis $connection = null;

    private ?Away $away = null;

    public function __construct(private readonly Settings $settings, private readonly Trace $trace)
    {
    }

    /**
     * Waits for another primary, where one hands over.
     *
     * @template T
     * @param Closure(Redis): T $use
     * @return T
     */
    public function use(Closure $use): mixed
    {
        return $this->trace->asked(
            'Redis',
            ['db.system.name' => 'redis'],
            fn (string $_) => $this->used($use, self::HAND_OVER_SECONDS),
        );
    }

    /**
     * For what can be done without, or is to say how things stand.
     *
     * @template T
     * @param Closure(Redis): T $use
     * @return T
     */
    public function useNow(Closure $use): mixed
    {
        return $this->trace->asked('Redis', ['db.system.name' => 'redis'], fn (string $_) => $this->used($use, 0.0));
    }

    /**
     * @template T
     * @param Closure(Redis): T $use
     * @return T
     */
    private function used(Closure $use, float $patience): mixed
    {
        if ($this->away !== null) {
            // One request waits for a dead Redis once, not once a call.
            throw $this->away;
        }
        $until = hrtime(true) + (int) ($patience * 1e9);
        for ($tries = 1; true; $tries++) {
            try {
                return $use($this->connection ??= $this->connect());
            } catch (RedisException $error) {
                // It died under the question, or leads to what was the primary before a fail-over: a new one leads to who
                // is it now. What is asked again does no harm: at worst an attempt counts double, or a message is heard
                // twice.
                $this->forget();
            }
            if ($tries > 1) {
                if (hrtime(true) >= $until) {
                    $this->away = new Away('The session and cache store', $error);
                    throw $this->away;
                }
                usleep(self::PAUSE_MICROSECONDS);
            }
        }
    }

    /** Out of the pool, too. One that died is begun anew to be closed, and how that fails is of no interest. */
    private function forget(): void
    {
        try {
            @$this->connection?->close();
        } catch (RedisException) {
        }
        $this->connection = null;
    }

    private function connect(): Redis
    {
        $redis = new Redis();
        $user = $this->settings->redisUser;
        $password = Settings::secret($this->settings->redisPasswordFile);
        $authority = $this->settings->redisCaFile;
        $options = $authority === ''
            ? []
            : ['stream' => ['cafile' => $authority, 'verify_peer' => true, 'verify_peer_name' => true]];
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
        // It would come again by itself up to ten times, and then wait for an answer that an earlier connection owed it.
        $redis->setOption(Redis::OPT_MAX_RETRIES, 0);
        $redis->setOption(Redis::OPT_PREFIX, self::PREFIX);
        if ($password !== '') {
            $redis->auth([$user, $password]);
        }
        return $redis;
    }
}
