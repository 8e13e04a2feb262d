<?php

declare(strict_types=1);

namespace VisionWeek\Exhibits;

use VisionWeek\Http\Input;
use VisionWeek\Http\Problem;
use VisionWeek\Http\Request;
use VisionWeek\Http\Response;
use VisionWeek\Http\Route;
use VisionWeek\Live;
use VisionWeek\Metrics;
use VisionWeek\Security\Sessions;

/** `/api/exhibits`: everyone reads, who is logged in adds. The header X-Cache says `hit`, `miss` or `bypass`. */
final class ExhibitRoutes
{
    public function __construct(
        private readonly Exhibits $exhibits,
        private readonly Sessions $sessions,
        private readonly Live $live,
        private readonly Metrics $metrics,
    ) {
    }

    /** @return list<Route> */
    public function routes(): array
    {
        return [
            new Route('GET', '/api/exhibits', $this->list(...)),
            new Route('POST', '/api/exhibits', $this->add(...)),
            new Route('GET', '/api/exhibits/{id}', $this->show(...)),
        ];
    }

    private function list(Request $request): Response
    {
        $input = new Input($request->query);
        $limit = $input->number('limit', least: 1, most: 100, default: 20);
        $before = $input->number('before', least: 0, most: PHP_INT_MAX, default: 0);
        $input->check();
        [$page, $cache] = $this->exhibits->page($limit, $before);
        // The first thing that every page asks for: for a second nginx answers it by itself, to whoever has no cookie.
        return Response::json($page, headers: ['X-Cache' => $cache, 'X-Accel-Expires' => '1']);
    }

    private function show(Request $request): Response
    {
        [$exhibit, $cache] = $this->exhibits->find($request->parameters['id']);
        if ($exhibit === null) {
            throw new Problem(404, 'There is no such exhibit.', ['X-Cache' => $cache]);
        }
        $this->metrics->count('vision_week_exhibits_viewed_total');
        return Response::json($exhibit, headers: ['X-Cache' => $cache]);
    }

    private function add(Request $request): Response
    {
        $session = $this->sessions->require($request);
        $input = $request->json();
        $title = $input->text('title', longest: 120);
        $description = $input->text('description', longest: 2000, shortest: 0, default: '');
        $input->check();

        $exhibit = $this->exhibits->add($title, $description, $session->userId);
        $this->metrics->count('vision_week_exhibits_created_total');
        $this->live->tell('exhibit', ['id' => $exhibit['id'], 'title' => $title]);
        return Response::json($exhibit, 201, ['Location' => "/api/exhibits/{$exhibit['id']}"]);
    }
}
