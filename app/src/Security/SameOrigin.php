<?php

declare(strict_types=1);

namespace VisionWeek\Security;

use VisionWeek\Http\Problem;
use VisionWeek\Http\Request;

/**
 * Refuses requests that another site made a visitor's browser send.
 *
 * Browsers say where a request comes from; programs such as curl say nothing and carry no cookie they weren't given.
 */
final class SameOrigin
{
    public static function check(Request $request): void
    {
        if ($request->isSafe()) {
            return;
        }
        $site = $request->header('sec-fetch-site');
        if ($site !== '') {
            if (!in_array($site, ['same-origin', 'none'], true)) {
                throw new Problem(403, 'Requests from other sites are refused.');
            }
            return;
        }
        $origin = $request->header('origin');
        if ($origin !== '' && parse_url($origin, PHP_URL_HOST) !== parse_url('//' . $request->header('host'), PHP_URL_HOST)) {
            throw new Problem(403, 'Requests from other sites are refused.');
        }
    }
}
