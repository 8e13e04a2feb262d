<?php

declare(strict_types=1);

namespace VisionWeek\Http;

/** One HTTP request as nginx handed it over. */
final class Request
{
    /** JSON bodies carry a few fields; files go through uploads, which have their own limit. */
    private const JSON_LIMIT = 65_536;

    /** @var array<string, string> */
    public array $parameters = [];

    /**
     * @param array<string, string> $headers names in lower case
     * @param array<string, mixed> $query
     * @param array<string, string> $cookies
     * @param array<string, mixed> $form the fields of a multipart body
     * @param array<string, mixed> $files as PHP's $_FILES
     * @param string $caller number of the span that this request is a part of, or ''
     * @param int $handedOver microseconds: when nginx asked PHP
     */
    public function __construct(
        public readonly string $method,
        public readonly string $path,
        public readonly array $headers,
        public readonly array $query,
        public readonly array $cookies,
        public readonly array $form,
        public readonly array $files,
        public readonly string $clientAddress,
        public readonly string $id,
        public readonly bool $internal,
        public readonly string $traceId,
        public readonly string $caller,
        public readonly int $handedOver,
    ) {
    }

    public static function fromGlobals(): self
    {
        $headers = [];
        foreach ($_SERVER as $name => $value) {
            if (str_starts_with((string) $name, 'HTTP_')) {
                $headers[strtolower(strtr(substr((string) $name, 5), '_', '-'))] = (string) $value;
            }
        }
        $headers['content-type'] = (string) ($_SERVER['CONTENT_TYPE'] ?? '');
        $headers['content-length'] = (string) ($_SERVER['CONTENT_LENGTH'] ?? '');

        return new self(
            method: (string) ($_SERVER['REQUEST_METHOD'] ?? 'GET'),
            path: (string) ($_SERVER['DOCUMENT_URI'] ?? '/'),
            headers: $headers,
            query: $_GET,
            cookies: array_filter($_COOKIE, is_string(...)),
            form: $_POST,
            files: $_FILES,
            clientAddress: (string) ($_SERVER['REMOTE_ADDR'] ?? ''),
            // nginx made it, or took it over from a client whose own looked harmless.
            id: (string) ($_SERVER['REQUEST_ID'] ?? bin2hex(random_bytes(16))),
            // Set by nginx on the port that the public can't reach; a header can't have this name.
            internal: ($_SERVER['VISION_WEEK_INTERNAL'] ?? '') === '1',
            traceId: (string) ($_SERVER['TRACE_ID'] ?? bin2hex(random_bytes(16))),
            // Nginx passes on what is well formed: version, trace, span, flags.
            caller: explode('-', $headers['traceparent'] ?? '')[2] ?? '',
            handedOver: (int) (1e6 * (float) ($_SERVER['HANDED_OVER_AT'] ?? $_SERVER['REQUEST_TIME_FLOAT'])),
        );
    }

    public function header(string $name): string
    {
        return $this->headers[strtolower($name)] ?? '';
    }

    /** Changes nothing by itself, so it needs no protection against forged requests. */
    public function isSafe(): bool
    {
        return in_array($this->method, ['GET', 'HEAD', 'OPTIONS'], true);
    }

    public function mediaType(): string
    {
        return strtolower(trim(explode(';', $this->header('content-type'))[0]));
    }

    /** The JSON object in the body. */
    public function json(): Input
    {
        if ($this->mediaType() !== 'application/json') {
            throw new Problem(415, 'Send the body as application/json.');
        }
        $body = (string) file_get_contents('php://input', length: self::JSON_LIMIT + 1);
        if (strlen($body) > self::JSON_LIMIT) {
            throw new Problem(413, 'A JSON body may have ' . self::JSON_LIMIT . ' bytes at most.');
        }
        $value = json_decode($body, associative: true, depth: 16);
        if (json_last_error() !== JSON_ERROR_NONE) {
            throw new Problem(400, 'The body is not valid JSON: ' . json_last_error_msg() . '.');
        }
        if (!is_array($value) || ($value !== [] && array_is_list($value))) {
            throw new Problem(400, 'The body must be a JSON object.');
        }
        return new Input($value);
    }
}
