<?php

declare(strict_types=1);

namespace VisionWeek\Uploads;

use VisionWeek\Http\Input;
use VisionWeek\Http\Problem;
use VisionWeek\Http\Request;
use VisionWeek\Http\Response;
use VisionWeek\Http\Route;
use VisionWeek\Live;
use VisionWeek\Metrics;
use VisionWeek\Security\Sessions;

/** `POST /api/uploads` (multipart form: `file`, and `exhibit` if it belongs to one) and `GET /api/uploads/{id}`. */
final class UploadRoutes
{
    public function __construct(
        private readonly Uploads $uploads,
        private readonly Sessions $sessions,
        private readonly Live $live,
        private readonly Metrics $metrics,
    ) {
    }

    /** @return list<Route> */
    public function routes(): array
    {
        return [
            new Route('POST', '/api/uploads', $this->add(...)),
            new Route('GET', '/api/uploads/{id}', $this->show(...)),
        ];
    }

    private function add(Request $request): Response
    {
        $session = $this->sessions->require($request);
        if ($request->mediaType() !== 'multipart/form-data') {
            throw new Problem(415, 'Send the file as multipart/form-data.');
        }
        $input = new Input($request->form);
        $exhibit = $input->identifier('exhibit');
        $file = $request->files['file'] ?? null;
        if (!is_array($file) || !is_int($file['error'] ?? null) || $file['error'] === UPLOAD_ERR_NO_FILE) {
            $input->refuse('file', 'is missing');
        }
        $input->check();

        match ($file['error']) {
            UPLOAD_ERR_OK => null,
            UPLOAD_ERR_INI_SIZE, UPLOAD_ERR_FORM_SIZE => throw new Problem(413, 'The file is too large.'),
            UPLOAD_ERR_PARTIAL => throw new Problem(400, 'The file did not arrive whole.'),
            default => throw new \RuntimeException("upload failed in PHP with error {$file['error']}"),
        };
        $upload = $this->uploads->store($file['tmp_name'], (string) $file['name'], $exhibit, $session->userId);
        $this->metrics->count('vision_week_uploads_total');
        $this->metrics->count('vision_week_upload_bytes_total', by: (int) $upload['size']);
        if ($exhibit !== null) {
            $this->live->tell('upload', ['exhibit' => $exhibit, 'url' => $upload['url']]);
        }
        return Response::json($upload, 201, ['Location' => $upload['url']]);
    }

    private function show(Request $request): Response
    {
        $upload = $this->uploads->find($request->parameters['id'])
            ?? throw new Problem(404, 'There is no such upload.');
        $headers = [
            // The content under one address never changes.
            'Cache-Control' => 'public, max-age=31536000, immutable',
            'ETag' => "\"{$upload['sha256']}\"",
        ];
        if ($request->header('if-none-match') === $headers['ETag']) {
            return new Response(304, headers: $headers);
        }
        // Pictures are shown, everything else is saved: nothing that was uploaded opens as a page of this site.
        $how = str_starts_with($upload['content_type'], 'image/') ? 'inline' : 'attachment';
        return new Response(200, headers: $headers + [
            'Content-Type' => $upload['content_type'],
            'Content-Length' => (string) $upload['size'],
            'Content-Disposition' => "{$how}; filename*=UTF-8''" . rawurlencode($upload['name']),
        ], file: $upload['path']);
    }
}
