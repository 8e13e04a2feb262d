<?php

declare(strict_types=1);

namespace VisionWeek\Http;

/** What goes back: either a body in memory or a file to stream. Security headers are nginx's, for every answer alike. */
final class Response
{
    /** @param array<string, string> $headers */
    public function __construct(
        public readonly int $status,
        public readonly string $body = '',
        public readonly array $headers = [],
        public readonly ?string $file = null,
    ) {
    }

    /** @param array<string, string> $headers */
    public static function json(
        mixed $value,
        int $status = 200,
        array $headers = [],
        string $type = 'application/json',
    ): self {
        $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE;
        $body = json_encode($value, $flags) . "\n";
        return new self($status, $body, ['Content-Type' => $type] + $headers);
    }

    public static function text(string $body, string $type = 'text/plain; charset=utf-8'): self
    {
        return new self(200, $body, ['Content-Type' => $type]);
    }

    public static function nothing(): self
    {
        return new self(204);
    }

    public function withHeader(string $name, string $value): self
    {
        return new self($this->status, $this->body, [$name => $value] + $this->headers, $this->file);
    }

    public function send(): void
    {
        http_response_code($this->status);
        // An answer says by itself that it may be kept; nothing else is.
        foreach ($this->headers + ['Cache-Control' => 'no-store'] as $name => $value) {
            header("{$name}: {$value}");
        }
        if ($this->file !== null) {
            readfile($this->file);
            return;
        }
        echo $this->body;
    }
}
