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

    private string $route = self::UNKNOWN_ROUTE;

    public function __construct(private readonly Services $services)
    {
    }

    public function serve(Request $request): void
    {
        $start = hrtime(true);
        $log = $this->services->log;
        $log->setRequestId($request->id);
        set_error_handler(static function (int $level, string $message, string $file, int $line): bool {
            // `@` lowers error_reporting to the fatal ones: the caller looks at the result instead.
            return (error_reporting() & $level) !== 0
                ? throw new ErrorException($message, 0, $level, $file, $line)
                : true;
        });
        $answered = false;
        register_shutdown_function(function () use ($request, &$answered): void {
            // Out of memory or time: PHP ends the script without an exception.
            if (!$answered && !headers_sent()) {
                $this->failed(error_get_last()['message'] ?? 'the script ended early', [])->response($request->id)->send();
            }
        });

        $response = $this->handle($request);
        $answered = true;
        $response->send();

        $seconds = (hrtime(true) - $start) / 1e9;
        $this->services->metrics->request($request->method, $this->route, $response->status, $seconds);
        $log->debug('request', [
            'method' => $request->method,
            'route' => $this->route,
            'status' => $response->status,
            'seconds' => round($seconds, 4),
        ]);
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
