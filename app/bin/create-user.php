<?php

declare(strict_types=1);

// Makes a user who may log in, or gives an existing one a new name and password:
//
//   php bin/create-user.php --email=ada@example.org --name=Ada --password-file=/path
//
// The password comes from a file (`-`: standard input), never from an argument: arguments are there for everyone to see.

namespace VisionWeek;

use InvalidArgumentException;
use RuntimeException;
use VisionWeek\Security\Users;

require __DIR__ . '/../vendor/autoload.php';

$options = getopt('', ['email:', 'name::', 'password-file:']);
if (!is_string($options['email'] ?? null) || !is_string($options['password-file'] ?? null)) {
    fwrite(STDERR, "usage: create-user.php --email=ADDRESS [--name=NAME] --password-file=FILE|-\n");
    exit(2);
}
$file = $options['password-file'] === '-' ? 'php://stdin' : $options['password-file'];
$name = is_string($options['name'] ?? null) ? $options['name'] : strstr($options['email'], '@', true);

try {
    $settings = Settings::fromEnvironment();
    $users = new Users(new Database($settings, new Trace($settings, new Log($settings->logLevel))));
    $users->save($options['email'], (string) $name, Settings::secret($file));
} catch (Away $away) {
    fwrite(STDERR, "create-user.php: {$away->getMessage()} {$away->getPrevious()?->getMessage()}\n");
    exit(1);
} catch (InvalidArgumentException | RuntimeException $error) {
    fwrite(STDERR, "create-user.php: {$error->getMessage()}\n");
    exit(1);
}
echo "{$options['email']} may log in\n";
