<?php

declare(strict_types=1);

namespace VisionWeek;

use Redis;

/** Tells everyone who is connected to the WebSocket service what has just happened. */
final class Live
{
    /** The WebSocket service listens here; it passes what it hears on to every client. */
    private const CHANNEL = KeyValue::PREFIX . 'live';

    public function __construct(private readonly KeyValue $store, private readonly Log $log)
    {
    }

    /** @param array<string, string> $fields */
    public function tell(string $type, array $fields): void
    {
        $message = json_encode(['type' => $type] + $fields, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES);
        try {
            // Raw, because the client's key prefix is applied to channels too and here the full name is meant.
            $this->store->use(static fn (Redis $redis) => $redis->rawCommand('PUBLISH', self::CHANNEL, $message));
        } catch (Away $away) {
            $this->log->warning('live message is lost', ['cause' => (string) $away->getPrevious()?->getMessage()]);
        }
    }
}
