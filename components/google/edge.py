"""What the edge needs of Google beside the cluster: the domain's zone, certificates, the oldest TLS, and Cloud Armor.

The address is not made here: the domain's records and nginx, which is to know its proxies, need it before anything is,
and a stack that goes and comes again is to keep it. Certificates are Google's, renewed by themselves; that the
domain is ours is proved by a record in the zone, so they are there before the first user comes. Cloud Armor stops what
looks like an attack by the OWASP rules, then counts requests for each client (S3.2, DECISIONS: rate limits).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Resource, ResourceOptions
from pulumi_gcp import certificatemanager, compute, dns

from components.settings import GatewayEdge

# "Preconfigured WAF rules" of Google's documentation, those for what runs here. At the first level they take the
# fewest honest requests for attacks.
_ATTACKS = ("sqli", "xss", "lfi", "rfi", "rce", "php", "protocolattack", "scannerdetection", "sessionfixation")
_EVERYBODY = compute.SecurityPolicyRuleMatchArgs(
    versioned_expr="SRC_IPS_V1", config=compute.SecurityPolicyRuleMatchConfigArgs(src_ip_ranges=["*"])
)
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
        attacks = [
            compute.SecurityPolicyRuleArgs(
                priority=1000 + number,
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
        # It lets through what it doesn't stop, so it comes after the others.
        limit = compute.SecurityPolicyRuleArgs(
            priority=2000,
            action="throttle",
            description="Requests of one client",
            match=_EVERYBODY,
            rate_limit_options=compute.SecurityPolicyRuleRateLimitOptionsArgs(
                conform_action="allow",
                exceed_action="deny(429)",
                enforce_on_key="IP",
                rate_limit_threshold=compute.SecurityPolicyRuleRateLimitOptionsRateLimitThresholdArgs(
                    count=self._args.settings.requests_per_minute, interval_sec=_MINUTE
                ),
            ),
        )
        rest = compute.SecurityPolicyRuleArgs(
            priority=_LAST, action="allow", description="The rest: there is none", match=_EVERYBODY
        )
        return compute.SecurityPolicy(
            "armour",
            name=name,
            type="CLOUD_ARMOR",
            rules=[*attacks, limit, rest],
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
            name=_slug(domain),
            dns_name=f"{domain}.",
            description="The hosts of the platform",
            dnssec_config=dns.ManagedZoneDnssecConfigArgs(state="on"),
            labels=args.labels,
            # Another zone has other name servers: until the domain is delegated anew nobody finds the hosts.
            opts=ResourceOptions(parent=self, depends_on=args.after, protect=args.protect),
        )
        for host in args.settings.hosts.values():
            dns.RecordSet(
                _slug(host),
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
        args, settings = self._args, self._args.settings
        mapped = certificatemanager.CertificateMap("map", name=name, labels=args.labels, opts=self._child)
        domains = dict.fromkeys(each.removeprefix("*.") for each in settings.names)
        proofs = {domain: self._proof(domain, zone) for domain in domains}
        entries: list[Resource] = [mapped]
        for each in settings.names:
            certificate = certificatemanager.Certificate(
                _slug(each),
                managed=certificatemanager.CertificateManagedArgs(
                    domains=[each], dns_authorizations=[proofs[each.removeprefix("*.")].id]
                ),
                labels=args.labels,
                opts=self._child,
            )
            entries.append(
                certificatemanager.CertificateMapEntry(
                    _slug(each),
                    map=mapped.name,
                    hostname=each,
                    certificates=[certificate.id],
                    labels=args.labels,
                    opts=self._child,
                )
            )
        return entries

    def _proof(self, domain: str, zone: dns.ManagedZone) -> certificatemanager.DnsAuthorization:
        """That the domain is ours: a record that Google names and looks for."""
        proof = certificatemanager.DnsAuthorization(
            _slug(domain), domain=domain, labels=self._args.labels, opts=self._child
        )
        record = proof.dns_resource_records[0]
        dns.RecordSet(
            f"{_slug(domain)}-proof",
            managed_zone=zone.name,
            name=record.apply(lambda found: str(found.name)),
            type=record.apply(lambda found: str(found.type)),
            ttl=_REMEMBERED,
            rrdatas=[record.apply(lambda found: str(found.data))],
            opts=ResourceOptions(parent=self),
        )
        return proof


def _slug(name: str) -> str:
    """`any-vision-week-example` of *.vision-week.example."""
    return name.replace("*", "any").replace(".", "-")
