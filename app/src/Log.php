<?php

declare(strict_types=1);

namespace VisionWeek;

/** One JSON object a line on stderr, so that a collector needs no parser of its own. */
final class Log
{
    private const LEVELS = ['debug' => 0, 'info' => 1, 'warning' => 2, 'error' => 3];

    /** @var array<string, string> */
    private array $request = [];

    public function __construct(private readonly string $level)
    {
    }

    /** Every later line carries these, which nginx's access log has too. */
    public function setRequest(string $id, string $traceId): void
    {
        $this->request = ['request_id' => $id, 'trace_id' => $traceId];
    }

    /** @param array<string, mixed> $fields */
    public function debug(string $message, array $fields = []): void
    {
        $this->write('debug', $message, $fields);
    }

    /** @param array<string, mixed> $fields */
    public function info(string $message, array $fields = []): void
    {
        $this->write('info', $message, $fields);
    }

    /** @param array<string, mixed> $fields */
    public function warning(string $message, array $fields = []): void
    {
        $this->write('warning', $message, $fields);
    }

    /** @param array<string, mixed> $fields */
    public function error(string $message, array $fields = []): void
    {
        $this->write('error', $message, $fields);
    }

    /** @param array<string, mixed> $fields */
    private function write(string $level, string $message, array $fields): void
    {
        if (self::LEVELS[$level] < (self::LEVELS[$this->level] ?? 1)) {
            return;
        }
        $line = ['time' => gmdate('Y-m-d\TH:i:s') . substr(sprintf('%.3F', microtime(true)), -4) . 'Z']
            + ['level' => $level, 'service' => 'app', 'message' => $message] + $this->request;
        $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR;
        file_put_contents('php://stderr', json_encode($line + $fields, $flags) . "\n");
    }
}
