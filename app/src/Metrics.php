<?php

declare(strict_types=1);

namespace VisionWeek;

use APCUIterator;

/**
 * Counters of this pod in Prometheus' text format, or in OpenMetrics', which has the trace of one request beside each
 * bucket of latencies that it fell into.
 *
 * They live in APCu, which all PHP-FPM workers of one pod share and which is gone with the pod: that is how Prometheus
 * expects a counter to behave. Keeping them in Redis would make every request wait for the network.
 */
final class Metrics
{
    private const PREFIX = 'metric|';
    private const EXAMPLES = 'example|';

    /** Seconds that a request is an example of how long they take. */
    private const RECENT = 300;

    /** name => [type, help, the label sets that exist from the start (a series that appears late hides its first step)] */
    private const DECLARED = [
        'vision_week_http_requests_total' => ['counter', 'Requests answered by PHP.', []],
        'vision_week_http_request_duration_seconds' => ['histogram', 'Time from the request in PHP to its answer.', []],
        'vision_week_logins_total' => [
            'counter',
            'Login attempts by result.',
            ['result="accepted"', 'result="refused"', 'result="limited"'],
        ],
        'vision_week_cache_reads_total' => [
            'counter',
            'Reads through the cache by result.',
            ['result="hit"', 'result="miss"', 'result="bypass"'],
        ],
        'vision_week_exhibits_viewed_total' => ['counter', 'Exhibits opened.', ['']],
        'vision_week_exhibits_created_total' => ['counter', 'Exhibits added.', ['']],
        'vision_week_uploads_total' => ['counter', 'Files uploaded.', ['']],
        'vision_week_upload_bytes_total' => ['counter', 'Bytes of files uploaded.', ['']],
    ];

    /** Around the service level (p95 < 500 ms, alert at 1 s), so that both can be read off. */
    private const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

    /** @param array<string, string> $labels */
    public function count(string $name, array $labels = [], int $by = 1): void
    {
        $this->add($name . '|' . $this->format($labels), $by);
    }

    /** @param string $traceId where the request can be looked up; '' where it can't */
    public function request(string $method, string $route, int $status, float $seconds, string $traceId): void
    {
        $this->count('vision_week_http_requests_total', [
            'method' => in_array($method, ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'], true) ? $method : 'other',
            'route' => $route,
            'status' => (string) $status,
        ]);
        $bucket = '+Inf';
        foreach (self::BUCKETS as $bound) {
            if ($seconds <= $bound) {
                $bucket = (string) $bound;
                break;
            }
        }
        $name = 'vision_week_http_request_duration_seconds|' . $this->format(['route' => $route]);
        $this->add("{$name}|{$bucket}", 1);
        if ($traceId !== '' && apcu_enabled()) {
            $example = sprintf('{trace_id="%s"} %.6F %.3F', $traceId, $seconds, microtime(true));
            apcu_store(self::EXAMPLES . "{$name}|{$bucket}", $example, self::RECENT);
        }
        // APCu adds whole numbers atomically, so the sum is kept in microseconds.
        $this->add("{$name}|sum", (int) round($seconds * 1_000_000));
    }

    public function render(string $version, string $environment, bool $open = false): string
    {
        $values = [];
        foreach (new APCUIterator('/^' . preg_quote(self::PREFIX, '/') . '/') as $entry) {
            $parts = explode('|', substr($entry['key'], strlen(self::PREFIX)));
            $values[$parts[0]][$parts[1]][$parts[2] ?? ''] = $entry['value'];
        }
        $text = '';
        foreach (self::DECLARED as $name => [$type, $help, $initial]) {
            $family = $open ? preg_replace('/_total$/', '', $name) : $name;
            $text .= "# HELP {$family} {$help}\n# TYPE {$family} {$type}\n";
            $series = ($values[$name] ?? []) + array_fill_keys($initial, ['' => 0]);
            ksort($series);
            foreach ($series as $labels => $parts) {
                $text .= $type === 'histogram'
                    ? $this->histogram($name, (string) $labels, $parts, $open)
                    : $this->line($name, (string) $labels, $parts['']);
            }
        }
        $text .= "# HELP vision_week_build_info What is running.\n# TYPE vision_week_build_info gauge\n";
        $text .= $this->line('vision_week_build_info', $this->format(['version' => $version, 'environment' => $environment]), 1);
        return $open ? "{$text}# EOF\n" : $text;
    }

    /** @param array<array-key, int> $parts */
    private function histogram(string $name, string $labels, array $parts, bool $open): string
    {
        $text = '';
        $count = 0;
        foreach ([...array_map(strval(...), self::BUCKETS), '+Inf'] as $bound) {
            $count += $parts[$bound] ?? 0;
            $example = $open ? apcu_fetch(self::EXAMPLES . "{$name}|{$labels}|{$bound}") : false;
            $text .= $this->line("{$name}_bucket", "{$labels},le=\"{$bound}\"", $count, (string) $example);
        }
        return $text
            . $this->line("{$name}_sum", $labels, ($parts['sum'] ?? 0) / 1_000_000)
            . $this->line("{$name}_count", $labels, $count);
    }

    private function line(string $name, string $labels, int|float $value, string $example = ''): string
    {
        return $name . ($labels === '' ? '' : "{{$labels}}") . " {$value}" . ($example === '' ? '' : " # {$example}") . "\n";
    }

    /** @param array<string, string> $labels */
    private function format(array $labels): string
    {
        $parts = [];
        foreach ($labels as $name => $value) {
            // `|` separates the parts of a key.
            $parts[] = $name . '="' . addcslashes(strtr($value, '|', '/'), "\\\"\n") . '"';
        }
        return implode(',', $parts);
    }

    private function add(string $key, int $by): void
    {
        if (apcu_enabled()) {
            apcu_inc(self::PREFIX . $key, $by);
        }
    }
}
