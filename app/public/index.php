<?php

declare(strict_types=1);

// The front controller: nginx hands every path that is not a static file to this script, and no other PHP file runs.

namespace VisionWeek;

use VisionWeek\Http\Request;

// PHP-FPM begins with less, so that PHP doesn't log what a client did wrong before this line.
error_reporting(E_ALL);

require __DIR__ . '/../vendor/autoload.php';

$services = new Services(Settings::fromEnvironment());
(new Application($services))->serve(Request::fromGlobals());
