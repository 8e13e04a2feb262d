<?php

declare(strict_types=1);

namespace VisionWeek\Http;

use Closure;

/** One method on one path. `{id}` in the path stands for an identifier (UUID). */
final class Route
{
    public const IDENTIFIER = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';

    private readonly string $pattern;

    /**
     * @param Closure(Request): Response $handler
     * @param bool $internal answers on the port that the public can't reach, and only there
     */
    public function __construct(
        public readonly string $method,
        public readonly string $path,
        public readonly Closure $handler,
        public readonly bool $internal = false,
    ) {
        $this->pattern = '#^' . strtr(preg_quote($path, '#'), ['\{id\}' => '(?<id>' . self::IDENTIFIER . ')']) . '$#D';
    }

    /** @return array<string, string>|null the path's parameters, null where the path is another */
    public function match(Request $request): ?array
    {
        if ($this->internal !== $request->internal || preg_match($this->pattern, $request->path, $found) !== 1) {
            return null;
        }
        return array_filter($found, is_string(...), ARRAY_FILTER_USE_KEY);
    }
}
