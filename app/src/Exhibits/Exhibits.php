<?php

declare(strict_types=1);

namespace VisionWeek\Exhibits;

use VisionWeek\Cache;
use VisionWeek\Database;

/** What can be seen: rows in PostgreSQL, read through the cache. */
final class Exhibits
{
    /** Also how long a reader may see an old answer when Redis was away at the moment of a write. */
    private const CACHE_SECONDS = 30;

    private const GROUP = 'exhibits';

    private const COLUMNS = <<<'SQL'
        e.id, e.title, e.description, e.number,
        to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at
        SQL;

    public function __construct(private readonly Database $database, private readonly Cache $cache)
    {
    }

    /**
     * The newest first. `before` is the number of the last one on the page before: pages stay right while others are added.
     *
     * @return array{array{items: list<array<string, mixed>>, next: int|null}, string} with what the cache did
     */
    public function page(int $limit, int $before): array
    {
        return $this->cache->remember(self::GROUP, "page:{$limit}:{$before}", self::CACHE_SECONDS, function () use ($limit, $before) {
            $items = $this->database->rows(
                'SELECT ' . self::COLUMNS . ', picture.id AS picture
                 FROM exhibits e
                 LEFT JOIN LATERAL (
                     SELECT u.id FROM uploads u
                     WHERE u.exhibit_id = e.id AND u.content_type LIKE \'image/%\'
                     ORDER BY u.created_at DESC LIMIT 1
                 ) picture ON true
                 WHERE CAST(:before AS bigint) = 0 OR e.number < CAST(:before AS bigint)
                 ORDER BY e.number DESC LIMIT :limit',
                ['before' => $before, 'limit' => $limit],
            );
            return [
                'items' => array_map(self::withPicture(...), $items),
                'next' => count($items) === $limit ? $items[$limit - 1]['number'] : null,
            ];
        });
    }

    /** @return array{array<string, mixed>|null, string} with what the cache did */
    public function find(string $id): array
    {
        return $this->cache->remember(self::GROUP, "one:{$id}", self::CACHE_SECONDS, function () use ($id) {
            $exhibit = $this->database->row('SELECT ' . self::COLUMNS . ' FROM exhibits e WHERE e.id = :id', ['id' => $id]);
            if ($exhibit === null) {
                return null;
            }
            $exhibit['uploads'] = array_map(
                static fn (array $upload) => $upload + ['url' => "/api/uploads/{$upload['id']}"],
                $this->database->rows(
                    'SELECT id, name, content_type, size FROM uploads WHERE exhibit_id = :id ORDER BY created_at',
                    ['id' => $id],
                ),
            );
            return $exhibit;
        });
    }

    /** @return array<string, mixed> */
    public function add(string $title, string $description, string $userId): array
    {
        $exhibit = $this->database->row(
            'INSERT INTO exhibits AS e (title, description, created_by) VALUES (:title, :description, :user)
             RETURNING ' . self::COLUMNS,
            ['title' => $title, 'description' => $description, 'user' => $userId],
        );
        assert($exhibit !== null);
        $this->changed();
        return $exhibit + ['uploads' => []];
    }

    public function exists(string $id): bool
    {
        return $this->database->row('SELECT 1 AS found FROM exhibits WHERE id = :id', ['id' => $id]) !== null;
    }

    /** Something that exhibits show has been written. */
    public function changed(): void
    {
        $this->cache->forget(self::GROUP);
    }

    /**
     * @param array<string, mixed> $exhibit
     * @return array<string, mixed>
     */
    private static function withPicture(array $exhibit): array
    {
        $picture = $exhibit['picture'];
        return ['picture' => $picture === null ? null : "/api/uploads/{$picture}"] + $exhibit;
    }
}
