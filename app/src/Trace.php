<?php

declare(strict_types=1);

namespace VisionWeek;

use Closure;
use RuntimeException;
use Throwable;
use VisionWeek\Http\Request;

/**
 * What a request did, and how long each part of it took: OpenTelemetry's spans, told to the collector of this node in
 * OTLP's JSON when the answer is out. A request is never kept, or failed, for it.
 *
 * Which requests are told of follows from the number of their trace alone (OpenTelemetry's TraceIdRatioBased), whoever
 * gave it, so that all who take part in a trace decide alike.
 */
final class Trace
{
    private const SERVER = 2;
    private const CLIENT = 3;
    private const INTERNAL = 1;

    private const ERROR = ['code' => 2];

    /** Seconds that a worker waits for the collector: to be connected with, and to answer. */
    private const PATIENCE = 0.25;

    /** Seconds in which no worker of this pod tries again a collector that wasn't there. */
    private const PAUSE = 10;
    private const AWAY = 'traces|away';

    /** Asked all the time, and by nobody who would want to know. */
    private const PROBES = ['/health', '/api/health'];

    /** Of one request at most: one that asks a thousand times over is known by the first of them. */
    private const MOST = 128;

    private string $requestId = '';
    private string $id = '';
    private string $caller = '';
    private string $root = '';
    private int $handedOver = 0;
    private bool $told = false;

    /** @var list<array<string, mixed>> */
    private array $spans = [];

    public function __construct(private readonly Settings $settings, private readonly Log $log)
    {
    }

    public function begin(Request $request): void
    {
        $this->requestId = $request->id;
        $this->id = $request->traceId;
        $this->caller = $request->caller;
        $this->root = self::number();
        $this->handedOver = $request->handedOver;
        $this->told = $this->settings->tracesAddress !== ''
            && !$request->internal
            && !in_array($request->path, self::PROBES, true)
            && $this->isChosen();
        $began = (int) ($_SERVER['REQUEST_TIME_FLOAT'] * 1e6);
        $this->add('wait for a worker', self::INTERNAL, $this->handedOver, max($began, $this->handedOver), [], false);
    }

    /** The trace's number, of a request that is told of; '' of others. */
    public function example(): string
    {
        return $this->told ? $this->id : '';
    }

    /**
     * A part of the request that somebody else does.
     *
     * @template T
     * @param array<string, string> $about
     * @param Closure(string): T $work gets the number of its span
     * @return T
     */
    public function asked(string $name, array $about, Closure $work): mixed
    {
        if (!$this->told) {
            return $work($this->root);
        }
        [$number, $began, $failed] = [self::number(), self::now(), true];
        try {
            $result = $work($number);
            $failed = false;
            return $result;
        } finally {
            $this->add($name, self::CLIENT, $began, self::now(), $about, $failed, $number);
        }
    }

    /** What a question says of who asks (sqlcommenter), so that a database's own list and log lead to the request. */
    public function comment(string $span): string
    {
        if ($this->requestId === '') {
            return '';
        }
        $flags = $this->told ? '01' : '00';
        return " /*request_id='{$this->requestId}',traceparent='00-{$this->id}-{$span}-{$flags}'*/";
    }

    /** To be called when the answer is out. */
    public function end(string $method, string $route, int $status): void
    {
        if (!$this->told) {
            return;
        }
        $about = [
            'http.request.method' => $method,
            'http.route' => $route,
            'http.response.status_code' => $status,
            'request.id' => $this->requestId,
        ];
        $this->add("{$method} {$route}", self::SERVER, $this->handedOver, self::now(), $about, $status >= 500, $this->root);
        // From here on the visitor waits for nothing more.
        if (function_exists('fastcgi_finish_request')) {
            fastcgi_finish_request();
        }
        try {
            $this->tell();
        } catch (Throwable $error) {
            if (apcu_enabled()) {
                apcu_store(self::AWAY, true, self::PAUSE);
            }
            $this->log->debug('a trace is lost', ['cause' => $error->getMessage()]);
        }
    }

    private function isChosen(): bool
    {
        // The lower half of the number, as 63 bits of a fraction.
        return hexdec(substr($this->id, 16, 8)) / 2 ** 32 < $this->settings->tracesShare;
    }

    /** @param array<string, string|int> $about */
    private function add(
        string $name,
        int $kind,
        int $began,
        int $ended,
        array $about,
        bool $failed,
        ?string $number = null,
    ): void {
        if (!$this->told || (count($this->spans) >= self::MOST && $number !== $this->root)) {
            return;
        }
        $number ??= self::number();
        $this->spans[] = [
            'traceId' => $this->id,
            'spanId' => $number,
            'parentSpanId' => $number === $this->root ? $this->caller : $this->root,
            'name' => $name,
            'kind' => $kind,
            'startTimeUnixNano' => "{$began}000",
            'endTimeUnixNano' => "{$ended}000",
            'attributes' => self::attributes($about),
            'status' => $failed ? self::ERROR : (object) [],
        ];
    }

    private function tell(): void
    {
        if (apcu_enabled() && apcu_exists(self::AWAY)) {
            return;
        }
        $resource = [
            'service.name' => 'app',
            'service.version' => $this->settings->version,
            'deployment.environment.name' => $this->settings->environment,
            'k8s.pod.name' => (string) gethostname(),
        ];
        $body = json_encode(['resourceSpans' => [[
            'resource' => ['attributes' => self::attributes($resource)],
            'scopeSpans' => [['scope' => ['name' => 'vision-week'], 'spans' => $this->spans]],
        ]]], JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES);
        $host = substr($this->settings->tracesAddress, strlen('http://'));
        $connection = stream_socket_client("tcp://{$host}", $code, $cause, self::PATIENCE);
        stream_set_timeout($connection, 0, (int) (self::PATIENCE * 1e6));
        fwrite($connection, "POST /v1/traces HTTP/1.1\r\nHost: {$host}\r\nConnection: close\r\n"
            . 'Content-Type: application/json' . "\r\nContent-Length: " . strlen($body) . "\r\n\r\n{$body}");
        $answer = trim((string) fgets($connection));
        fclose($connection);
        if (!str_contains($answer, ' 200 ')) {
            throw new RuntimeException($answer === '' ? 'no answer in time' : $answer);
        }
    }

    /**
     * @param array<string, string|int> $values
     * @return list<array<string, mixed>>
     */
    private static function attributes(array $values): array
    {
        $kind = static fn (string|int $value): array => is_int($value) ? ['intValue' => (string) $value] : ['stringValue' => $value];
        return array_map(
            static fn (string $key): array => ['key' => $key, 'value' => $kind($values[$key])],
            array_keys($values),
        );
    }

    private static function number(): string
    {
        return bin2hex(random_bytes(8));
    }

    /** Microseconds. */
    private static function now(): int
    {
        return (int) (microtime(true) * 1e6);
    }
}
