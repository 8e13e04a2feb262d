<?php

declare(strict_types=1);

namespace VisionWeek;

use RuntimeException;
use Throwable;

/** Something the application needs can't be reached right now. The client may try again; the log has the cause. */
final class Away extends RuntimeException
{
    public function __construct(public readonly string $what, Throwable $cause)
    {
        parent::__construct("{$what} can't be reached at the moment.", previous: $cause);
    }
}
