"""What the edge needs of Google beside the cluster: the domain's zone, certificates, the oldest TLS, and Cloud Armor.

The address is not made here: the domain's records and nginx, which is to know its proxies, need it before anything is,
and a stack that goes and comes again is to keep it. Certificates are Google's, renewed by themselves; that the
domain is ours is proved by a record in the zone, so they are there before the first user comes. Cloud Armor stops what
looks like an attack by the OWASP rules, then counts requests for each client (S3.2, DECISIONS: rate limits).

All of it is global, as the balancer is: a Gateway of a region finds none of it (`checks.networks`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Resource, ResourceOptions
from pulumi_gcp import certificatemanager, compute, dns

from components.settings import GatewayEdge

# "Preconfigured WAF rules" of Google's documentation, those for what runs here. At the first level they take the
# fewest honest requests for attacks.
_ATTACKS = ("sqli", "xss", "lfi", "rfi", "rce", "php", "protocolattack", "scannerdetection", "sessionfixation")
# Of addresses that one rule may name ("Quotas and limits" of Cloud Armor).
_AT_ONCE = 10
# Between the numbers of two rules, so that in an emergency somebody can put one there ("Best practices").
_GAP = 10
# Google's own number for the rule that holds where no other does.
_LAST = 2147483647
_MINUTE = 60
# Seconds that others remember a record.
_REMEMBERED = 300


@dataclass(frozen=True, kw_only=True)
class GoogleEdgeArgs:
    """What it needs.

    protect: whether the zone can be removed. after: what must be there before. labels: for the bill.
    """

    settings: GatewayEdge
    protect: bool
    after: Sequence[Resource]
    labels: Mapping[str, str]


class GoogleEdge(ComponentResource):
    """What the Gateway refers to by name. ready: all of it."""

    ready: Sequence[Resource]

    def __init__(self, name: str, args: GoogleEdgeArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Edge", name, None, opts)
        self._args = args
        self._child = ResourceOptions(parent=self, depends_on=args.after)
        settings, ready = args.settings, list[Resource]()
        if settings.ssl_policy:
            ready.append(self._ssl_policy(settings.ssl_policy))
        if settings.security_policy:
            ready.append(self._armour(settings.security_policy))
        if settings.dns_zone:
            zone = self._zone(settings.dns_zone)
            if settings.certificate_map:
                ready += self._certificates(settings.certificate_map, zone)
        self.ready = ready
        self.register_outputs({})

    def _ssl_policy(self, name: str) -> Resource:
        """TLS 1.2 and later (service levels: crypto)."""
        return compute.SSLPolicy("ssl-policy", name=name, profile="MODERN", min_tls_version="TLS_1_2", opts=self._child)

    def _armour(self, name: str) -> Resource:
        settings = self._args.settings
        attacks = [
            compute.SecurityPolicyRuleArgs(
                priority=1000 + number * _GAP,
                action="deny(403)",
                description=f"OWASP: {attack}",
                match=compute.SecurityPolicyRuleMatchArgs(
                    expr=compute.SecurityPolicyRuleMatchExprArgs(
                        expression=f"evaluatePreconfiguredWaf('{attack}-v33-stable', {{'sensitivity': 1}})"
                    )
                ),
            )
            for number, attack in enumerate(_ATTACKS)
        ]
        # Cloud Armor takes whoever connects for the client, and all that come by one proxy would be counted together.
        # The application's nginx, which knows them apart, counts them all the same.
        proxies = [
            compute.SecurityPolicyRuleArgs(
                priority=2000 + first // _AT_ONCE * _GAP,
                action="allow",
                description="Proxies that say who the client is",
                match=_from(settings.trusted_proxies[first : first + _AT_ONCE]),
            )
            for first in range(0, len(settings.trusted_proxies), _AT_ONCE)
        ]
        # It lets through what it doesn't stop, so it comes after the others.
        limit = compute.SecurityPolicyRuleArgs(
            priority=9000,
            action="throttle",
            description="Requests of one client",
            match=_from(["*"]),
            rate_limit_options=compute.SecurityPolicyRuleRateLimitOptionsArgs(
                conform_action="allow",
                exceed_action="deny(429)",
                enforce_on_key="IP",
                rate_limit_threshold=compute.SecurityPolicyRuleRateLimitOptionsRateLimitThresholdArgs(
                    count=settings.requests_per_minute, interval_sec=_MINUTE
                ),
            ),
        )
        # Google wants it, though nothing is left for it.
        rest = compute.SecurityPolicyRuleArgs(
            priority=_LAST, action="allow", description="What no other rule is for", match=_from(["*"])
        )
        return compute.SecurityPolicy(
            "armour",
            name=name,
            type="CLOUD_ARMOR",
            rules=[*attacks, *proxies, limit, rest],
            adaptive_protection_config=compute.SecurityPolicyAdaptiveProtectionConfigArgs(
                layer7_ddos_defense_config=compute.SecurityPolicyAdaptiveProtectionConfigLayer7DdosDefenseConfigArgs(
                    enable=True, rule_visibility="STANDARD"
                )
            ),
            # Attacks in the fields of the API's JSON are seen, too.
            advanced_options_config=compute.SecurityPolicyAdvancedOptionsConfigArgs(json_parsing="STANDARD"),
            labels=self._args.labels,
            opts=self._child,
        )

    def _zone(self, domain: str) -> dns.ManagedZone:
        args = self._args
        zone = dns.ManagedZone(
            "zone",
            dns_name=f"{domain}.",
            description="The hosts of the platform",
            dnssec_config=dns.ManagedZoneDnssecConfigArgs(state="on"),
            labels=args.labels,
            # Another zone has other name servers: until the domain is delegated anew nobody finds the hosts.
            opts=ResourceOptions(parent=self, depends_on=args.after, protect=args.protect),
        )
        for host in args.settings.hosts.values():
            dns.RecordSet(
                self._below(host),
                managed_zone=zone.name,
                name=f"{host}.",
                type="A",
                ttl=_REMEMBERED,
                rrdatas=[args.settings.address],
                opts=ResourceOptions(parent=self),
            )
        return zone

    def _certificates(self, name: str, zone: dns.ManagedZone) -> list[Resource]:
        """A certificate for each name, and the map by which the balancer finds it."""
        labels, names = self._args.labels, dict.fromkeys(self._args.settings.names)
        mapped = certificatemanager.CertificateMap("map", name=name, labels=labels, opts=self._child)
        # One proof is good for a domain and for all that is right below it.
        proofs = {domain: self._proof(domain, zone) for domain in dict.fromkeys(map(_domain, names))}
        entries = list[Resource]()
        for each in names:
            proof, record = proofs[_domain(each)]
            certificate = certificatemanager.Certificate(
                self._below(each),
                name=_named(each),
                description=each,
                managed=certificatemanager.CertificateManagedArgs(domains=[each], dns_authorizations=[proof.id]),
                labels=labels,
                # Google asks for the record at once, and when it isn't there only after a while again.
                opts=ResourceOptions(parent=self, depends_on=[*self._args.after, record]),
            )
            entries.append(
                certificatemanager.CertificateMapEntry(
                    self._below(each),
                    name=_named(each),
                    map=mapped.name,
                    hostname=each,
                    certificates=[certificate.id],
                    labels=labels,
                    opts=self._child,
                )
            )
        return [mapped, *entries]

    def _proof(self, domain: str, zone: dns.ManagedZone) -> tuple[certificatemanager.DnsAuthorization, dns.RecordSet]:
        """That the domain is ours, and the record that Google names and looks for."""
        proof = certificatemanager.DnsAuthorization(
            self._below(domain),
            name=_named(domain),
            description=domain,
            domain=domain,
            labels=self._args.labels,
            opts=self._child,
        )
        asked = proof.dns_resource_records[0]
        record = dns.RecordSet(
            f"{self._below(domain)}-proof",
            managed_zone=zone.name,
            name=asked.apply(lambda found: str(found.name)),
            type=asked.apply(lambda found: str(found.type)),
            ttl=_REMEMBERED,
            rrdatas=[asked.apply(lambda found: str(found.data))],
            opts=ResourceOptions(parent=self),
        )
        return proof, record

    def _below(self, host: str) -> str:
        """The host as its zone has it, so that each stack's is called the same: `api`, `*`, and @ for the domain."""
        return host.removesuffix(str(self._args.settings.dns_zone)).removesuffix(".") or "@"


def _from(addresses: Sequence[str]) -> compute.SecurityPolicyRuleMatchArgs:
    return compute.SecurityPolicyRuleMatchArgs(
        versioned_expr="SRC_IPS_V1",
        config=compute.SecurityPolicyRuleMatchConfigArgs(src_ip_ranges=list(addresses)),
    )


def _domain(name: str) -> str:
    """`vision-week.example` of *.vision-week.example."""
    return name.removeprefix("*.")


def _named(host: str) -> str:
    """What Certificate Manager calls it: 64 characters at most, a letter first, neither dots nor stars, and for each
    host another."""
    return f"host-{hashlib.sha256(host.encode()).hexdigest()[:16]}"
