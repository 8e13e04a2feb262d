<?php

declare(strict_types=1);

namespace VisionWeek\Health;

use VisionWeek\Http\Request;
use VisionWeek\Http\Response;
use VisionWeek\Http\Route;
use VisionWeek\Metrics;
use VisionWeek\Settings;

/**
 * What probes and monitoring ask.
 *
 * `/health` says that this process answers and asks nobody else: a liveness probe that depended on the database would
 * restart every pod when the database fails over. `/ready` has the details and, like `/metrics`, is not for the public.
 */
final class HealthRoutes
{
    public function __construct(
        private readonly Settings $settings,
        private readonly Checks $checks,
        private readonly Metrics $metrics,
    ) {
    }

    /** @return list<Route> */
    public function routes(): array
    {
        return [
            new Route('GET', '/health', static fn (Request $request) => Response::json(['status' => 'ok'])),
            new Route('GET', '/api/health', $this->brief(...)),
            new Route('GET', '/config.json', $this->configuration(...)),
            new Route('GET', '/ready', $this->detailed(...), internal: true),
            new Route('GET', '/metrics', $this->metrics(...), internal: true),
        ];
    }

    private function brief(Request $request): Response
    {
        $ok = !in_array(false, array_column($this->checks->run(), 'ok'), true);
        return Response::json(['status' => $ok ? 'ok' : 'unavailable'], $ok ? 200 : 503);
    }

    private function detailed(Request $request): Response
    {
        $checks = $this->checks->run();
        $ok = !in_array(false, array_column($checks, 'ok'), true);
        return Response::json(
            ['status' => $ok ? 'ok' : 'unavailable', 'version' => $this->settings->version, 'checks' => $checks],
            $ok ? 200 : 503,
        );
    }

    /** Read by the front end when it starts, so that one image runs in every environment. */
    private function configuration(Request $request): Response
    {
        return Response::json([
            'apiPath' => '/api',
            'websocketPath' => $this->settings->websocketPath,
            'environment' => $this->settings->environment,
            'version' => $this->settings->version,
        ], headers: ['Cache-Control' => 'no-cache']);
    }

    private function metrics(Request $request): Response
    {
        // OpenMetrics has examples of requests beside the numbers; Prometheus asks for it where it can.
        $open = str_contains($request->header('accept'), 'application/openmetrics-text');
        $text = $this->metrics->render($this->settings->version, $this->settings->environment, $open);
        return Response::text($text, $open ? 'application/openmetrics-text; version=1.0.0; charset=utf-8' : 'text/plain; version=0.0.4; charset=utf-8');
    }
}
