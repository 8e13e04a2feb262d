<?php

declare(strict_types=1);

namespace VisionWeek;

use RuntimeException;

/**
 * Everything the platform tells the application, read once from the environment.
 *
 * Secrets are files, never variables: a variable shows up in `kubectl describe`, in crash dumps and in every child
 * process. They are read when they are used, so that a rotated one takes effect without a restart.
 */
final class Settings
{
    public function __construct(
        public readonly string $environment,
        public readonly string $version,
        public readonly string $logLevel,
        public readonly string $databaseHost,
        public readonly int $databasePort,
        public readonly string $databaseName,
        public readonly string $databaseUser,
        public readonly string $databasePasswordFile,
        public readonly string $databaseSslMode,
        public readonly string $databaseCaFile,
        public readonly string $redisHost,
        public readonly int $redisPort,
        public readonly string $redisUser,
        public readonly string $redisPasswordFile,
        public readonly string $redisCaFile,
        public readonly string $uploadsPath,
        public readonly int $sessionLifetime,
        public readonly int $loginsPerMinute,
        public readonly int $uploadLimit,
        public readonly string $websocketPath,
        public readonly string $tracesAddress,
        public readonly float $tracesShare,
    ) {
    }

    public static function fromEnvironment(): self
    {
        return new self(
            environment: self::text('APP_ENV', 'production'),
            version: self::text('APP_VERSION', 'unknown'),
            logLevel: self::text('LOG_LEVEL', 'info'),
            databaseHost: self::text('DATABASE_HOST', '127.0.0.1'),
            databasePort: self::number('DATABASE_PORT', 5432),
            databaseName: self::text('DATABASE_NAME', 'vision_week'),
            databaseUser: self::text('DATABASE_USER', 'vision_week_app'),
            databasePasswordFile: self::text('DATABASE_PASSWORD_FILE', '/etc/vision-week/secrets/database-password'),
            databaseSslMode: self::text('DATABASE_SSLMODE', 'prefer'),
            databaseCaFile: self::text('DATABASE_CA_FILE', ''),
            redisHost: self::text('REDIS_HOST', '127.0.0.1'),
            redisPort: self::number('REDIS_PORT', 6379),
            redisUser: self::text('REDIS_USER', 'default'),
            redisPasswordFile: self::text('REDIS_PASSWORD_FILE', '/etc/vision-week/secrets/redis-password'),
            redisCaFile: self::text('REDIS_CA_FILE', ''),
            uploadsPath: self::text('UPLOADS_PATH', '/var/www/html/storage/uploads'),
            sessionLifetime: self::number('SESSION_LIFETIME', 3600),
            loginsPerMinute: self::number('LOGINS_PER_MINUTE', 5),
            uploadLimit: self::number('UPLOAD_LIMIT', 10_000_000),
            websocketPath: self::text('WEBSOCKET_PATH', '/ws'),
            // OpenTelemetry's own names. Nowhere by itself; `http://host:port`.
            tracesAddress: self::text('OTEL_EXPORTER_OTLP_ENDPOINT', ''),
            tracesShare: (float) self::text('OTEL_TRACES_SAMPLER_ARG', '1'),
        );
    }

    /** What the file holds, without the line end that editors add; '' where no file is named. */
    public static function secret(string $file): string
    {
        if ($file === '') {
            return '';
        }
        $content = @file_get_contents($file);
        if ($content === false) {
            throw new RuntimeException("secret file {$file} can't be read");
        }
        return rtrim($content, "\r\n");
    }

    public function isDevelopment(): bool
    {
        return $this->environment === 'development';
    }

    private static function text(string $name, string $default): string
    {
        $value = getenv($name);
        return $value === false || $value === '' ? $default : $value;
    }

    private static function number(string $name, int $default): int
    {
        $value = self::text($name, (string) $default);
        if (!ctype_digit($value)) {
            throw new RuntimeException("{$name} must be a whole number, not '{$value}'");
        }
        return (int) $value;
    }
}
