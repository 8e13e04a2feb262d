"""The program of every stack: `pulumi up` reads the stack's settings and builds the platform that they describe."""

import pulumi

from components.configuration import load
from components.platform import Platform

platform = Platform(load())

pulumi.export("url", platform.url)
pulumi.export("ca_certificate", platform.ca_certificate)
pulumi.export("namespaces", platform.namespaces)
pulumi.export("images", platform.images)
