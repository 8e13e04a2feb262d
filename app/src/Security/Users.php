<?php

declare(strict_types=1);

namespace VisionWeek\Security;

use InvalidArgumentException;
use VisionWeek\Database;

/** The people who may log in. */
final class Users
{
    /** bcrypt looks at no more. */
    public const LONGEST_PASSWORD = 72;

    private const SHORTEST_PASSWORD = 12;

    /** Of no password. Checked for unknown people, so that the time an answer takes doesn't tell who exists. */
    private const NOBODY = '$2y$12$OfzHCPgWx63C.RkJvmfU/.HvBe9ANPfD3uUTw90n90uYht.h/dc3y';

    private const OPTIONS = ['cost' => 12];

    public function __construct(private readonly Database $database)
    {
    }

    public function authenticate(string $email, string $password): ?Session
    {
        $user = $this->database->row(
            'SELECT id, email, name, password_hash FROM users WHERE email = lower(:email)',
            ['email' => $email],
        );
        $right = password_verify($password, $user['password_hash'] ?? self::NOBODY);
        return $user !== null && $right ? new Session($user['id'], $user['email'], $user['name']) : null;
    }

    /** Makes the user, or gives one that exists the new name and password. */
    public function save(string $email, string $name, string $password): void
    {
        if (filter_var($email, FILTER_VALIDATE_EMAIL) === false) {
            throw new InvalidArgumentException("'{$email}' is not an e-mail address");
        }
        $length = strlen($password);
        if ($length < self::SHORTEST_PASSWORD || $length > self::LONGEST_PASSWORD) {
            $range = self::SHORTEST_PASSWORD . ' to ' . self::LONGEST_PASSWORD;
            throw new InvalidArgumentException("the password must have {$range} bytes, has {$length}");
        }
        $this->database->row(
            'INSERT INTO users (email, name, password_hash) VALUES (lower(:email), :name, :hash)
             ON CONFLICT (email) DO UPDATE SET name = excluded.name, password_hash = excluded.password_hash',
            ['email' => $email, 'name' => $name, 'hash' => password_hash($password, PASSWORD_BCRYPT, self::OPTIONS)],
        );
    }
}
