<?php

declare(strict_types=1);

namespace VisionWeek\Security;

use VisionWeek\Http\Problem;
use VisionWeek\Http\Request;
use VisionWeek\Http\Response;
use VisionWeek\Http\Route;
use VisionWeek\Log;
use VisionWeek\Metrics;

/** `POST /login`, `POST /logout`, `GET /api/session`. */
final class LoginRoutes
{
    public function __construct(
        private readonly Users $users,
        private readonly Sessions $sessions,
        private readonly LoginLimit $limit,
        private readonly Metrics $metrics,
        private readonly Log $log,
    ) {
    }

    /** @return list<Route> */
    public function routes(): array
    {
        return [
            new Route('POST', '/login', $this->login(...)),
            new Route('POST', '/logout', $this->logout(...)),
            new Route('GET', '/api/session', $this->show(...)),
        ];
    }

    private function login(Request $request): Response
    {
        try {
            $this->limit->check($request->clientAddress);
        } catch (Problem $limited) {
            $this->count('limited');
            throw $limited;
        }
        $input = $request->json();
        $email = $input->text('email', longest: 254);
        $password = $input->secret('password', longest: Users::LONGEST_PASSWORD);
        $input->check();

        $session = $this->users->authenticate($email, $password);
        if ($session === null) {
            $this->count('refused');
            $this->log->warning('login refused');
            throw new Problem(401, 'The e-mail address or the password is wrong.');
        }
        $this->count('accepted');
        $this->log->info('login accepted', ['user_id' => $session->userId]);
        // A new token at every login: one that was planted before it is worth nothing after it.
        $this->sessions->end($request);
        return Response::json(['user' => $this->describe($session)])
            ->withHeader('Set-Cookie', $this->sessions->start($session));
    }

    private function logout(Request $request): Response
    {
        return Response::nothing()->withHeader('Set-Cookie', $this->sessions->end($request));
    }

    private function show(Request $request): Response
    {
        $session = $this->sessions->find($request);
        return Response::json(['user' => $session === null ? null : $this->describe($session)]);
    }

    /** @return array<string, string> */
    private function describe(Session $session): array
    {
        return ['id' => $session->userId, 'email' => $session->email, 'name' => $session->name];
    }

    private function count(string $result): void
    {
        $this->metrics->count('vision_week_logins_total', ['result' => $result]);
    }
}
