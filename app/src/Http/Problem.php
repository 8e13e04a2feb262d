<?php

declare(strict_types=1);

namespace VisionWeek\Http;

use RuntimeException;

/** A refusal that the client is told about, as application/problem+json (RFC 9457). */
final class Problem extends RuntimeException
{
    private const TITLES = [
        400 => 'Bad Request',
        401 => 'Unauthorized',
        403 => 'Forbidden',
        404 => 'Not Found',
        405 => 'Method Not Allowed',
        413 => 'Content Too Large',
        415 => 'Unsupported Media Type',
        422 => 'Unprocessable Content',
        429 => 'Too Many Requests',
        500 => 'Internal Server Error',
        503 => 'Service Unavailable',
    ];

    /**
     * @param array<string, string> $headers
     * @param list<array{field: string, message: string}> $errors
     */
    public function __construct(
        public readonly int $status,
        public readonly string $detail,
        public readonly array $headers = [],
        public readonly array $errors = [],
    ) {
        parent::__construct($detail);
    }

    public function response(string $requestId): Response
    {
        $body = [
            'type' => 'about:blank',
            'title' => self::TITLES[$this->status] ?? 'Error',
            'status' => $this->status,
            'detail' => $this->detail,
            'request_id' => $requestId,
        ];
        if ($this->errors !== []) {
            $body['errors'] = $this->errors;
        }
        return Response::json($body, $this->status, $this->headers, 'application/problem+json');
    }
}
