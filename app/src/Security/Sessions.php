<?php

declare(strict_types=1);

namespace VisionWeek\Security;

use Redis;
use VisionWeek\Http\Problem;
use VisionWeek\Http\Request;
use VisionWeek\KeyValue;

/**
 * Sessions in Redis, so that any replica serves any visitor.
 *
 * The cookie holds a random token; Redis knows only its hash, so reading Redis doesn't give a session away. A session
 * lives as long as it is used, and `lifetime` seconds more.
 */
final class Sessions
{
    /** `__Host-`: browsers take it only with Secure, Path=/ and no Domain, so no neighbouring host can plant one. */
    private const COOKIE = '__Host-session';

    public function __construct(private readonly KeyValue $store, private readonly int $lifetime)
    {
    }

    /** @return string the Set-Cookie header */
    public function start(Session $session): string
    {
        $token = bin2hex(random_bytes(32));
        $entry = json_encode($session->toArray(), JSON_THROW_ON_ERROR);
        $this->store->use(fn (Redis $redis) => $redis->setex($this->key($token), $this->lifetime, $entry));
        return $this->cookie($token, $this->lifetime);
    }

    public function find(Request $request): ?Session
    {
        $token = $this->token($request);
        if ($token === null) {
            return null;
        }
        $key = $this->key($token);
        [$entry] = $this->store->use(
            fn (Redis $redis) => $redis->multi(Redis::PIPELINE)->get($key)->expire($key, $this->lifetime)->exec(),
        );
        if (!is_string($entry)) {
            return null;
        }
        $fields = json_decode($entry, true, flags: JSON_THROW_ON_ERROR);
        return new Session($fields['user_id'], $fields['email'], $fields['name']);
    }

    public function require(Request $request): Session
    {
        return $this->find($request) ?? throw new Problem(401, 'Log in first.');
    }

    /** @return string the Set-Cookie header that takes the cookie away */
    public function end(Request $request): string
    {
        $token = $this->token($request);
        if ($token !== null) {
            $this->store->use(fn (Redis $redis) => $redis->del($this->key($token)));
        }
        return $this->cookie('', 0);
    }

    private function token(Request $request): ?string
    {
        $token = $request->cookies[self::COOKIE] ?? '';
        return preg_match('/^[0-9a-f]{64}$/D', $token) === 1 ? $token : null;
    }

    private function key(string $token): string
    {
        return 'session:' . hash('sha256', $token);
    }

    private function cookie(string $token, int $seconds): string
    {
        return self::COOKIE . "={$token}; Path=/; Max-Age={$seconds}; Secure; HttpOnly; SameSite=Lax";
    }
}
