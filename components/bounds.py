"""How much a client may ask for, in the words of nginx and of PHP.

The image has the same with the defaults (S3.2): a stack that has no limits of its own needs no file of ours. One number
decides how large an upload may be, and what is around it is a little larger: the application refuses the file, nginx
the body, PHP what comes by another way.
"""

from collections.abc import Mapping

from components.settings import Limits
from components.values import MEBIBYTE, amount


def nginx_settings(limits: Limits) -> Mapping[str, str]:
    """The files of `images/app/nginx/settings` that are otherwise than the image's."""
    return {} if limits == Limits() else {"limits.conf": limits_file(limits)}


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
    "~^/(api/|logout$)" $client;
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
