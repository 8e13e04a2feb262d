<?php

declare(strict_types=1);

namespace VisionWeek;

use RuntimeException;
use Throwable;

/** Something the application needs can't be reached right now. The client may try again; the log has the cause. */
final class Away extends RuntimeException
{
    /** @param bool $perhapsDone the connection broke before the answer came: what was asked for may have happened */
    public function __construct(public readonly string $what, Throwable $cause, public readonly bool $perhapsDone = false)
    {
        parent::__construct("{$what} can't be reached at the moment.", previous: $cause);
    }
}
