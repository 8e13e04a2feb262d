<?php

declare(strict_types=1);

namespace VisionWeek;

use VisionWeek\Exhibits\ExhibitRoutes;
use VisionWeek\Exhibits\Exhibits;
use VisionWeek\Health\Checks;
use VisionWeek\Health\HealthRoutes;
use VisionWeek\Http\Router;
use VisionWeek\Security\LoginLimit;
use VisionWeek\Security\LoginRoutes;
use VisionWeek\Security\Sessions;
use VisionWeek\Security\Users;
use VisionWeek\Uploads\UploadRoutes;
use VisionWeek\Uploads\Uploads;

/** What is made of what. Nothing here connects to anything before it is used. */
final class Services
{
    public readonly Log $log;
    public readonly Metrics $metrics;
    public readonly Trace $trace;
    public readonly Router $router;

    public function __construct(public readonly Settings $settings)
    {
        $this->log = new Log($settings->logLevel);
        $this->metrics = new Metrics();

        $this->trace = new Trace($settings, $this->log);
        $database = new Database($settings, $this->trace);
        $store = new KeyValue($settings, $this->trace);
        $cache = new Cache($store, $this->metrics, $this->log);
        $sessions = new Sessions($store, $settings->sessionLifetime);
        $exhibits = new Exhibits($database, $cache);
        $live = new Live($store, $this->log);
        $uploads = new Uploads($settings->uploadsPath, $settings->uploadLimit, $database, $exhibits);

        $this->router = new Router([
            ...(new HealthRoutes($settings, new Checks($database, $store, $settings->uploadsPath), $this->metrics))->routes(),
            ...(new ExhibitRoutes($exhibits, $sessions, $live, $this->metrics))->routes(),
            ...(new UploadRoutes($uploads, $sessions, $live, $this->metrics))->routes(),
            ...(new LoginRoutes(new Users($database), $sessions, new LoginLimit($store, $settings->loginsPerMinute), $this->metrics, $this->log))->routes(),
        ]);
    }
}
