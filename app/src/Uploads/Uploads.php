<?php

declare(strict_types=1);

namespace VisionWeek\Uploads;

use finfo;
use PDOException;
use RuntimeException;
use VisionWeek\Away;
use VisionWeek\Database;
use VisionWeek\Exhibits\Exhibits;
use VisionWeek\Http\Problem;

/**
 * Files people send: the content on the volume that all replicas share, the rest in PostgreSQL.
 *
 * A stored file's name is made here and has nothing of the sender's in it. What a file is, its content says; the name and
 * the type that were claimed are not asked. The row is written last, so that it never points at half a file, and where it
 * can't be written the file goes again.
 */
final class Uploads
{
    /** Types that no browser runs as a page. HTML and SVG are not among them: they can hold scripts. */
    private const TYPES = [
        'image/jpeg' => 'jpg',
        'image/png' => 'png',
        'image/gif' => 'gif',
        'image/webp' => 'webp',
        'application/pdf' => 'pdf',
        'text/plain' => 'txt',
    ];

    public function __construct(
        private readonly string $directory,
        private readonly int $largest,
        private readonly Database $database,
        private readonly Exhibits $exhibits,
    ) {
    }

    /** @return array<string, mixed> */
    public function store(string $temporary, string $name, ?string $exhibitId, string $userId): array
    {
        $size = (int) filesize($temporary);
        if ($size === 0) {
            throw new Problem(422, 'The file is empty.');
        }
        if ($size > $this->largest) {
            throw new Problem(413, "A file may have {$this->largest} bytes at most.");
        }
        $type = (string) (new finfo(FILEINFO_MIME_TYPE))->file($temporary);
        if (!isset(self::TYPES[$type])) {
            throw new Problem(415, "Files of type {$type} are not taken. These are: " . implode(', ', array_keys(self::TYPES)) . '.');
        }
        if ($exhibitId !== null && !$this->exhibits->exists($exhibitId)) {
            throw new Problem(422, 'There is no such exhibit.', errors: [['field' => 'exhibit', 'message' => 'does not exist']]);
        }
        $file = bin2hex(random_bytes(16)) . '.' . self::TYPES[$type];
        $this->place($temporary, $file);
        try {
            $upload = $this->database->row(
                'INSERT INTO uploads (name, file, content_type, size, sha256, exhibit_id, created_by)
                 VALUES (:name, :file, :type, :size, :sha256, :exhibit, :user) RETURNING id, name, content_type, size',
                [
                    'name' => self::presentable($name),
                    'file' => $file,
                    'type' => $type,
                    'size' => $size,
                    'sha256' => hash_file('sha256', $temporary),
                    'exhibit' => $exhibitId,
                    'user' => $userId,
                ],
            );
        } catch (PDOException | Away $failure) {
            // Where nobody knows whether the row was written, the file stays: too many take space, a missing one is a loss.
            if (!($failure instanceof Away && $failure->perhapsDone)) {
                @unlink("{$this->directory}/{$file}");
            }
            throw $failure;
        }
        assert($upload !== null);
        $this->exhibits->changed();
        return $upload + ['url' => "/api/uploads/{$upload['id']}"];
    }

    /** @return array{path: string, name: string, content_type: string, size: int, sha256: string}|null */
    public function find(string $id): ?array
    {
        $upload = $this->database->row('SELECT file, name, content_type, size, sha256 FROM uploads WHERE id = :id', ['id' => $id]);
        if ($upload === null) {
            return null;
        }
        $path = "{$this->directory}/{$upload['file']}";
        if (!is_file($path)) {
            throw new RuntimeException("upload {$id} has no file {$upload['file']}");
        }
        unset($upload['file']);
        return ['path' => $path] + $upload;
    }

    /** Appears whole or not at all, also when the pod dies half-way. */
    private function place(string $temporary, string $file): void
    {
        $partial = "{$this->directory}/.{$file}.part";
        $source = fopen($temporary, 'rb');
        $target = fopen($partial, 'xb');
        if ($source === false || $target === false) {
            throw new RuntimeException("can't write to {$this->directory}");
        }
        $whole = stream_copy_to_stream($source, $target) === filesize($temporary) && fsync($target);
        fclose($source);
        if (!fclose($target) || !$whole || !rename($partial, "{$this->directory}/{$file}")) {
            @unlink($partial);
            throw new RuntimeException("can't write to {$this->directory}");
        }
    }

    /** The sender's name for it, for people to read. */
    private static function presentable(string $name): string
    {
        $name = preg_replace('/[\p{C}\/\\\\]+/u', '', mb_scrub(basename($name))) ?? '';
        return $name === '' ? 'file' : mb_substr($name, 0, 120);
    }
}
