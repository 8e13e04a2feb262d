<?php

declare(strict_types=1);

namespace VisionWeek\Http;

/**
 * Reads named values from a body or a query and remembers what is wrong with each.
 *
 * `check()` refuses the request with every error at once, so that a client mends them in one go.
 */
final class Input
{
    /** That `check()` tells of at once: an answer of PHP's that begins before its request has ended stays small. */
    private const ERRORS = 20;

    /** @var list<array{field: string, message: string}> */
    private array $errors = [];

    /** @var list<string> */
    private array $known = [];

    /** @param array<array-key, mixed> $values */
    public function __construct(private readonly array $values)
    {
    }

    public function text(string $field, int $longest, int $shortest = 1, ?string $default = null): string
    {
        $value = $this->take($field) ?? $default;
        if (!is_string($value)) {
            $this->errors[] = ['field' => $field, 'message' => $value === null ? 'is missing' : 'must be text'];
            return '';
        }
        if (!mb_check_encoding($value, 'UTF-8') || preg_match('/[\x00-\x08\x0B\x0C\x0E-\x1F\x7F]/', $value) === 1) {
            $this->errors[] = ['field' => $field, 'message' => 'has characters that are not text'];
            return '';
        }
        $value = trim($value);
        $length = mb_strlen($value);
        if ($length < $shortest || $length > $longest) {
            $this->errors[] = ['field' => $field, 'message' => "must have {$shortest} to {$longest} characters, has {$length}"];
        }
        return $value;
    }

    /** Text that is kept exactly as it came: a password's blanks count. */
    public function secret(string $field, int $longest): string
    {
        $value = $this->take($field);
        if (!is_string($value) || $value === '' || strlen($value) > $longest) {
            $this->errors[] = ['field' => $field, 'message' => "must be text of 1 to {$longest} bytes"];
            return '';
        }
        return $value;
    }

    public function number(string $field, int $least, int $most, int $default): int
    {
        $value = $this->take($field) ?? $default;
        if (is_string($value) && ctype_digit($value) && strlen($value) < 10) {
            $value = (int) $value;
        }
        if (!is_int($value) || $value < $least || $value > $most) {
            $this->errors[] = ['field' => $field, 'message' => "must be a whole number from {$least} to {$most}"];
            return $default;
        }
        return $value;
    }

    public function identifier(string $field): ?string
    {
        $value = $this->take($field);
        if ($value === null || $value === '') {
            return null;
        }
        if (!is_string($value) || preg_match('/^' . Route::IDENTIFIER . '$/D', $value) !== 1) {
            $this->errors[] = ['field' => $field, 'message' => 'must be an identifier (UUID)'];
            return null;
        }
        return $value;
    }

    public function refuse(string $field, string $message): void
    {
        $this->errors[] = ['field' => $field, 'message' => $message];
    }

    /** Refuses what is wrong, and what nobody asked for: a misspelt field would be lost in silence. */
    public function check(): void
    {
        foreach (array_keys($this->values) as $field) {
            if (!in_array((string) $field, $this->known, true)) {
                $this->errors[] = ['field' => mb_substr(mb_scrub((string) $field), 0, 60), 'message' => 'is not a known field'];
            }
        }
        if ($this->errors !== []) {
            throw new Problem(422, 'Some fields are not right.', errors: array_slice($this->errors, 0, self::ERRORS));
        }
    }

    private function take(string $field): mixed
    {
        $this->known[] = $field;
        return $this->values[$field] ?? null;
    }
}
