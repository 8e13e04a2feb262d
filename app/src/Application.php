<?php

declare(strict_types=1);

namespace VisionWeek;

use ErrorException;
use Throwable;
use VisionWeek\Http\Problem;
use VisionWeek\Http\Request;
use VisionWeek\Http\Response;
use VisionWeek\Security\SameOrigin;

/** One request: find its route, answer, count. Whatever goes wrong becomes an answer that a program can read. */
final class Application
{
    private const UNKNOWN_ROUTE = 'unknown';

    /** What ends a script without an exception. */
    private const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR;

    /** Bytes: one of the pieces that PHP takes its memory in. */
    private const LAST_WORDS = 2_097_152;

    private string $route = self::UNKNOWN_ROUTE;

    public function __construct(private readonly Services $services)
    {
    }

    public function serve(Request $request): void
    {
        $start = hrtime(true);
        $log = $this->services->log;
        $log->setRequest($request->id, $request->traceId);
        $this->services->trace->begin($request);
        set_error_handler(static function (int $level, string $message, string $file, int $line): bool {
            // `@` lowers error_reporting to the fatal ones: the caller looks at the result instead.
            return (error_reporting() & $level) !== 0
                ? throw new ErrorException($message, 0, $level, $file, $line)
                : true;
        });
        $answered = false;
        register_shutdown_function(function () use ($request, &$answered): void {
            // Out of memory or time: PHP ends the script without an exception.
            $last = error_get_last();
            $fatal = $last !== null && ($last['type'] & self::FATAL) !== 0;
            if ($answered && !$fatal) {
                return;
            }
            // To say so takes a little more of it.
            ini_set('memory_limit', (string) (memory_get_usage(true) + self::LAST_WORDS));
            $problem = $fatal
                ? $this->failed($last['message'], ['file' => $last['file'], 'line' => $last['line']])
                : $this->failed('the script ended early', []);
            if (!headers_sent()) {
                $problem->response($request->id)->send();
            }
            $this->services->trace->end($request->method, $this->route, 500);
        });
        // From here on such an error is one line of JSON with the request's number: ours. PHP's own would be a second.
        ini_set('log_errors', '0');
        // Of the processor's time: a little before PHP-FPM ends the worker, which could say nothing any more.
        set_time_limit(max(1, (int) ini_get('max_execution_time') - 5));

        $response = $this->handle($request);
        $answered = true;
        $response->send();

        $seconds = (hrtime(true) - $start) / 1e9;
        $trace = $this->services->trace;
        $this->services->metrics->request($request->method, $this->route, $response->status, $seconds, $trace->example());
        $log->debug('request', [
            'method' => $request->method,
            'route' => $this->route,
            'status' => $response->status,
            'seconds' => round($seconds, 4),
        ]);
        $trace->end($request->method, $this->route, $response->status);
    }

    public function handle(Request $request): Response
    {
        try {
            $route = $this->services->router->find($request);
            $this->route = $route->path;
            SameOrigin::check($request);
            return ($route->handler)($request);
        } catch (Problem $problem) {
            return $problem->response($request->id);
        } catch (Away $away) {
            $this->services->log->error($away->getMessage(), ['cause' => (string) $away->getPrevious()?->getMessage()]);
            return (new Problem(503, $away->getMessage(), ['Retry-After' => '5']))->response($request->id);
        } catch (Throwable $error) {
            $place = ['exception' => $error::class, 'file' => $error->getFile(), 'line' => $error->getLine()];
            return $this->failed($error->getMessage(), $place)->response($request->id);
        }
    }

    /**
     * The cause goes to the log; the client gets the number to look it up by, and in development the cause too.
     *
     * @param array<string, mixed> $place
     */
    private function failed(string $cause, array $place): Problem
    {
        $this->services->log->error($cause, $place);
        return new Problem(500, $this->services->settings->isDevelopment() ? $cause : 'Something went wrong on our side.');
    }
}
