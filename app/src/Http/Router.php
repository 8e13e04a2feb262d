<?php

declare(strict_types=1);

namespace VisionWeek\Http;

/** Finds the route of a request; says 404 for an unknown path and 405, with what is allowed, for an unknown method. */
final class Router
{
    /** @param list<Route> $routes */
    public function __construct(private readonly array $routes)
    {
    }

    public function find(Request $request): Route
    {
        $method = $request->method === 'HEAD' ? 'GET' : $request->method;
        $allowed = [];
        foreach ($this->routes as $route) {
            $parameters = $route->match($request);
            if ($parameters === null) {
                continue;
            }
            if ($route->method === $method) {
                $request->parameters = $parameters;
                return $route;
            }
            $allowed[] = $route->method;
        }
        if ($allowed !== []) {
            $list = implode(', ', in_array('GET', $allowed, true) ? [...$allowed, 'HEAD'] : $allowed);
            throw new Problem(405, "This path answers {$list}.", ['Allow' => $list]);
        }
        throw new Problem(404, 'There is nothing at this path.');
    }
}
