<?php

declare(strict_types=1);

namespace VisionWeek\Security;

/** Who is logged in. */
final class Session
{
    public function __construct(
        public readonly string $userId,
        public readonly string $email,
        public readonly string $name,
    ) {
    }

    /** @return array<string, string> */
    public function toArray(): array
    {
        return ['user_id' => $this->userId, 'email' => $this->email, 'name' => $this->name];
    }
}
