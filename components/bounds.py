"""How much a client may ask for and how long anybody waits, in the words of nginx and of PHP.

The image has the same with the defaults (S3.2): a stack that has none of its own needs no file of ours. One number
decides how large an upload may be, and what is around it is a little larger: the application refuses the file, nginx
the body, PHP what comes by another way.
"""

from collections.abc import Mapping

from components.settings import App, Limits, Timeouts
from components.values import MEBIBYTE, Resources, amount, mebibytes

# What images/app/nginx/stored.conf lets wait on disk at once.
_BODIES, _FILES = 24, 64


def nginx_settings(limits: Limits, timeouts: Timeouts) -> Mapping[str, str]:
    """The files of `images/app/nginx/settings` that are otherwise than the image's."""
    files = {}
    if limits != Limits():
        files["limits.conf"] = limits_file(limits)
    if timeouts.nginx != Timeouts().nginx:
        files["timeouts.conf"] = timeouts_file(timeouts)
    return files


def limits_file(limits: Limits) -> str:
    """`limits.conf`; the image's has the reasons beside each line."""
    api, login = limits.api_per_second, limits.login_per_minute
    return _LIMITS.format(
        api=api,
        api_burst=2 * api,
        login=login,
        # One is served without a burst, which may not be 0.
        login_burst=f" burst={login - 1} nodelay" if login > 1 else "",
        login_pause=-(-60 // login),
        body=body(limits),
        upload=upload(limits) // 10**6,
    )


def timeouts_file(timeouts: Timeouts) -> str:
    """`timeouts.conf`."""
    return f"fastcgi_read_timeout {timeouts.nginx}s;\n"


def php_variables(app: App, timeouts: Timeouts) -> Mapping[str, str]:
    """What `images/app/php-fpm.conf` and PHP's own configuration take from the environment, and libpq."""
    return {
        "PHP_FPM_WORKERS": str(app.php_workers),
        "PHP_MEMORY_LIMIT": f"{mebibytes(app.worker_memory)}M",  # PHP's M is a mebibyte
        "PHP_BODY_LIMIT": f"{php_body(app.limits)}M",
        "PHP_REQUEST_TIMEOUT": str(timeouts.php),
        "PHP_STOP_TIMEOUT": str(ending(timeouts)),
        # Every client that is made of libpq reads it: the application's statements end, the migrations' don't. The
        # pooler doesn't heed it, and the role has the same.
        "PGOPTIONS": f"-c statement_timeout={timeouts.database}s",
    }


def ending(timeouts: Timeouts) -> int:
    """Seconds that PHP-FPM gives its requests when it is to end: a little more than the longest may take."""
    return timeouts.php + 5


def on_disk(app: App) -> int:
    """MiB that the pod's /tmp must hold, or the node ends the pod: what waits for slow clients, one upload for each of
    PHP's workers, and some to spare."""
    return (_BODIES + _FILES) * body(app.limits) + app.php_workers * php_body(app.limits) + 16


def mounting(app: App) -> Resources:
    """What the container may take that mounts a bucket in each pod: 128 MiB for itself and what it knows of objects,
    and 16 MiB, what its library sends at once, for each of PHP's workers."""
    return Resources(cpu="100m", cpu_limit="1", memory=f"{128 + 16 * app.php_workers}Mi")


def staged(app: App) -> int:
    """MiB on the node's disk where that container keeps files until they are whole: one upload for each of PHP's
    workers, and some to spare for its log."""
    return app.php_workers * body(app.limits) + 64


def upload(limits: Limits) -> int:
    """Bytes that an uploaded file may have."""
    return int(amount(limits.upload))


def body(limits: Limits) -> int:
    """MiB that a request's body may have: the file, 64 KiB for the form around it, and up to the next whole one."""
    return (upload(limits) + 65536) // MEBIBYTE + 1


def php_body(limits: Limits) -> int:
    """MiB that PHP takes of a body: one more than nginx, so that one place decides."""
    return body(limits) + 1


_LIMITS = """\
map "$request_method $uri" $login_key {{
    "POST /login" $client;
}}
map $uri $api_key {{
    "~^/(api/|logout$|config[.]json$)" $client;
    /health $visitor;
}}
limit_req_zone $api_key zone=api:10m rate={api}r/s;
limit_req_zone $login_key zone=login:10m rate={login}r/m;
limit_req zone=api burst={api_burst} nodelay;
limit_req zone=login{login_burst};
map "" $login_pause {{
    default {login_pause};
}}
client_max_body_size {body}m;
map "" $largest_body {{
    default "{upload} MB";
}}
"""
