"""A private GKE cluster over the zones of a region, with two pools of nodes.

Its control plane has no public address: it is reached by a DNS name, behind Google's IAM, so there is no list of
networks to keep. Its private one is for nodes and pods. What each setting is for stands beside it;
`docs/hardening.md` has them by the benchmarks' numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi_gcp as gcp
from pulumi import ComponentResource, Output, Resource, ResourceOptions
from pulumi_gcp import container

from components.google.keys import Key
from components.google.network import PODS, SERVICES, Network
from components.kubernetes import POOL
from components.settings import Maintenance, NodePool

# What a node itself may do in the project: write its logs and metrics.
_ROLES = ("roles/container.defaultNodeServiceAccount",)
_NOTICES = ("UPGRADE_AVAILABLE_EVENT", "UPGRADE_INFO_EVENT", "UPGRADE_EVENT", "SECURITY_BULLETIN_EVENT")
_EFFECT = "NO_SCHEDULE"


@dataclass(frozen=True, kw_only=True)
class GoogleClusterArgs:
    """What the cluster needs.

    prefix: its name. node_tag: what the firewall knows its nodes by. pools: name -> machines.
    kept: pools that take only the pods that ask for them.
    secrets_key: encrypts Secrets in etcd. disks_key: encrypts the nodes' disks.
    pulls: repositories that its nodes may read. protect: whether it can be deleted.
    after: what must be there before. labels: for the bill.
    """

    prefix: str
    project: str
    region: str
    network: Network
    node_tag: str
    pools: Mapping[str, NodePool]
    kept: Sequence[str]
    maintenance: Maintenance
    secrets_key: Key
    disks_key: Key
    pulls: Sequence[gcp.artifactregistry.Repository]
    protect: bool
    after: Sequence[Resource]
    labels: Mapping[str, str]


class GoogleCluster(ComponentResource):
    """The cluster.

    id: as Google's other APIs name it. endpoint: DNS name of its API server.
    pools: its nodes, without which no pod starts.
    """

    id: Output[str]
    endpoint: Output[str]
    pools: Sequence[Resource]

    def __init__(self, name: str, args: GoogleClusterArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:google:Cluster", name, None, opts)
        self._args = args
        self._child = ResourceOptions(parent=self)
        account = gcp.serviceaccount.Account(
            "nodes",
            display_name=f"Nodes of the cluster {args.prefix}",
            opts=ResourceOptions(parent=self, depends_on=args.after),
        )
        rights = [*self._roles(account), *self._readers(account)]
        notices = gcp.pubsub.Topic(
            "notices",
            name=f"{args.prefix}-cluster-notices",
            labels=args.labels,
            opts=ResourceOptions(parent=self, depends_on=args.after),
        )
        cluster = self._cluster(account, notices, rights)
        self.pools = [self._pool(each, cluster, account, rights) for each in args.pools]
        self.id = cluster.id
        # pulumi-gcp has no way to ask for the DNS name without asking for what stands around it.
        self.endpoint = cluster.control_plane_endpoints_config.apply(
            lambda config: str(config.dns_endpoint_config.endpoint) if config.dns_endpoint_config else ""
        )
        self.register_outputs({"endpoint": self.endpoint})

    def _roles(self, account: gcp.serviceaccount.Account) -> list[Resource]:
        return [
            gcp.projects.IAMMember(
                f"nodes-{role.rpartition('.')[2].lower()}",
                project=self._args.project,
                role=role,
                member=account.member,
                opts=self._child,
            )
            for role in _ROLES
        ]

    def _readers(self, account: gcp.serviceaccount.Account) -> list[Resource]:
        """Nodes pull from these repositories and from no other of the project."""
        return [
            gcp.artifactregistry.RepositoryIamMember(
                f"nodes-pull-{repository._name}",
                repository=repository.id,
                role="roles/artifactregistry.reader",
                member=account.member,
                opts=self._child,
            )
            for repository in self._args.pulls
        ]

    def _cluster(
        self, account: gcp.serviceaccount.Account, notices: gcp.pubsub.Topic, rights: Sequence[Resource]
    ) -> container.Cluster:
        args = self._args
        return container.Cluster(
            "cluster",
            name=args.prefix,
            location=args.region,
            description="The platform of Vision Week Virtual Exploration",
            resource_labels=args.labels,
            deletion_protection=args.protect,
            # --- network
            network=args.network.id,
            subnetwork=args.network.nodes,
            networking_mode="VPC_NATIVE",
            ip_allocation_policy=container.ClusterIpAllocationPolicyArgs(
                cluster_secondary_range_name=PODS, services_secondary_range_name=SERVICES
            ),
            private_cluster_config=container.ClusterPrivateClusterConfigArgs(
                enable_private_nodes=True,
                enable_private_endpoint=True,
                # Known before it is there, so that policies can let pods through to it.
                private_endpoint_subnetwork=args.network.control_plane,
            ),
            control_plane_endpoints_config=container.ClusterControlPlaneEndpointsConfigArgs(
                dns_endpoint_config=container.ClusterControlPlaneEndpointsConfigDnsEndpointConfigArgs(
                    # From outside the network, but never without IAM: container.clusters.connect.
                    allow_external_traffic=True,
                    # Neither client certificates nor service accounts' tokens get in by it.
                    enable_k8s_certs_via_dns=False,
                    enable_k8s_tokens_via_dns=False,
                ),
            ),
            # By its address it answers nodes and pods alone: nobody else is authorised.
            master_authorized_networks_config=container.ClusterMasterAuthorizedNetworksConfigArgs(
                gcp_public_cidrs_access_enabled=False
            ),
            # Dataplane V2 enforces network policies by itself.
            datapath_provider="ADVANCED_DATAPATH",
            # Packets between two pods of one node are in the flow logs, too.
            enable_intranode_visibility=True,
            # A Service with an external address of its own choosing could take over another's traffic (CVE-2020-8554).
            service_external_ips_config=container.ClusterServiceExternalIpsConfigArgs(enabled=False),
            gateway_api_config=container.ClusterGatewayApiConfigArgs(channel="CHANNEL_STANDARD"),
            # --- who may do what
            workload_identity_config=container.ClusterWorkloadIdentityConfigArgs(
                workload_pool=f"{args.project}.svc.id.goog"
            ),
            enable_legacy_abac=False,
            master_auth=container.ClusterMasterAuthArgs(
                client_certificate_config=container.ClusterMasterAuthClientCertificateConfigArgs(
                    issue_client_certificate=False
                )
            ),
            # Without a name one gets health checks, and nothing else.
            anonymous_authentication_config=container.ClusterAnonymousAuthenticationConfigArgs(mode="LIMITED"),
            rbac_binding_config=container.ClusterRbacBindingConfigArgs(
                enable_insecure_binding_system_authenticated=False,
                enable_insecure_binding_system_unauthenticated=False,
            ),
            binary_authorization=container.ClusterBinaryAuthorizationArgs(
                evaluation_mode="PROJECT_SINGLETON_POLICY_ENFORCE"
            ),
            security_posture_config=container.ClusterSecurityPostureConfigArgs(
                # Images are scanned where they are kept.
                mode="BASIC",
                vulnerability_mode="VULNERABILITY_DISABLED",
            ),
            # --- what is encrypted beyond what Google does anyway
            database_encryption=container.ClusterDatabaseEncryptionArgs(
                state="ENCRYPTED", key_name=args.secrets_key.id
            ),
            enable_shielded_nodes=True,
            # --- upgrades
            release_channel=container.ClusterReleaseChannelArgs(channel="REGULAR"),
            maintenance_policy=_maintenance(args.maintenance),
            notification_config=container.ClusterNotificationConfigArgs(
                pubsub=container.ClusterNotificationConfigPubsubArgs(
                    enabled=True,
                    topic=notices.id,
                    filter=container.ClusterNotificationConfigPubsubFilterArgs(event_types=list(_NOTICES)),
                )
            ),
            # --- what is seen
            logging_config=container.ClusterLoggingConfigArgs(
                # What workloads write is collected by the platform itself.
                enable_components=["SYSTEM_COMPONENTS", "APISERVER", "CONTROLLER_MANAGER", "SCHEDULER"]
            ),
            monitoring_config=container.ClusterMonitoringConfigArgs(
                enable_components=["SYSTEM_COMPONENTS", "APISERVER", "CONTROLLER_MANAGER", "SCHEDULER"],
                managed_prometheus=container.ClusterMonitoringConfigManagedPrometheusArgs(enabled=False),
            ),
            cost_management_config=container.ClusterCostManagementConfigArgs(enabled=True),
            # --- what it brings
            vertical_pod_autoscaling=container.ClusterVerticalPodAutoscalingArgs(enabled=True),
            addons_config=_addons(),
            # --- nodes are in pools of their own; GKE insists on a first one, which goes at once
            remove_default_node_pool=True,
            initial_node_count=1,
            node_config=container.ClusterNodeConfigArgs(
                service_account=account.email,
                boot_disk_kms_key=args.disks_key.id,
                shielded_instance_config=container.ClusterNodeConfigShieldedInstanceConfigArgs(
                    enable_secure_boot=True, enable_integrity_monitoring=True
                ),
                tags=[args.node_tag],
            ),
            opts=ResourceOptions(
                parent=self,
                depends_on=[
                    *args.after,
                    *args.network.way_out,
                    *args.secrets_key.usable,
                    *args.disks_key.usable,
                    *rights,
                ],
                # With it go the databases' volumes.
                protect=args.protect,
                # Of the first pool, which is gone: Google says nothing of it; a difference would replace the cluster.
                ignore_changes=["nodeConfig", "initialNodeCount"],
            ),
        )

    def _pool(
        self, name: str, cluster: container.Cluster, account: gcp.serviceaccount.Account, rights: Sequence[Resource]
    ) -> container.NodePool:
        """A pool has no name of its own: what can't be changed makes a new one before the old one goes, and the drain
        of the old one respects the disruption budgets."""
        args, machines = self._args, self._args.pools[name]
        taints = [container.NodePoolNodeConfigTaintArgs(key=POOL, value=name, effect=_EFFECT)]
        return container.NodePool(
            name,
            cluster=cluster.id,
            # In each zone; the autoscaler decides after that.
            initial_node_count=machines.min_nodes,
            autoscaling=container.NodePoolAutoscalingArgs(
                min_node_count=machines.min_nodes, max_node_count=machines.max_nodes, location_policy="BALANCED"
            ),
            management=container.NodePoolManagementArgs(auto_repair=True, auto_upgrade=True),
            # The new node is there before the old one goes.
            upgrade_settings=container.NodePoolUpgradeSettingsArgs(strategy="SURGE", max_surge=1, max_unavailable=0),
            network_config=container.NodePoolNetworkConfigArgs(enable_private_nodes=True),
            node_config=container.NodePoolNodeConfigArgs(
                machine_type=machines.machine,
                disk_type=machines.disk_type,
                disk_size_gb=machines.disk_gib,
                boot_disk_kms_key=args.disks_key.id,
                image_type="COS_CONTAINERD",
                shielded_instance_config=container.NodePoolNodeConfigShieldedInstanceConfigArgs(
                    enable_secure_boot=True, enable_integrity_monitoring=True
                ),
                # Pods see their own identity, never the node's.
                workload_metadata_config=container.NodePoolNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
                metadata={"disable-legacy-endpoints": "true"},
                service_account=account.email,
                # What the node may do is said by its account's roles; scopes are of an older time.
                oauth_scopes=["https://www.googleapis.com/auth/cloud-platform"],
                kubelet_config=container.NodePoolNodeConfigKubeletConfigArgs(
                    insecure_kubelet_readonly_port_enabled="FALSE"
                ),
                gvnic=container.NodePoolNodeConfigGvnicArgs(enabled=True),
                labels={POOL: name},
                taints=taints if name in args.kept else None,
                tags=[args.node_tag],
                resource_labels={**args.labels, "pool": name},
            ),
            opts=ResourceOptions(
                parent=self,
                depends_on=rights,
                # The autoscaler's; another number would replace the pool.
                ignore_changes=["initialNodeCount"],
            ),
        )


def _maintenance(maintenance: Maintenance) -> container.ClusterMaintenancePolicyArgs:
    """The day that the window begins on says nothing but from when on it is repeated."""
    hour, minute = map(int, maintenance.start.split(":"))
    end = hour + maintenance.hours
    return container.ClusterMaintenancePolicyArgs(
        recurring_window=container.ClusterMaintenancePolicyRecurringWindowArgs(
            start_time=f"2026-01-01T{maintenance.start}:00Z",
            end_time=f"2026-01-0{1 + end // 24}T{end % 24:02}:{minute:02}:00Z",
            recurrence=f"FREQ=WEEKLY;BYDAY={','.join(maintenance.days)}",
        ),
        maintenance_exclusions=[
            container.ClusterMaintenancePolicyMaintenanceExclusionArgs(
                exclusion_name=each.name,
                start_time=f"{each.first}T00:00:00Z",
                end_time=f"{each.last}T23:59:59Z",
                exclusion_options=container.ClusterMaintenancePolicyMaintenanceExclusionExclusionOptionsArgs(
                    scope="NO_UPGRADES"
                ),
            )
            for each in maintenance.exclusions
        ]
        or None,
    )


def _addons() -> container.ClusterAddonsConfigArgs:
    return container.ClusterAddonsConfigArgs(
        gce_persistent_disk_csi_driver_config=container.ClusterAddonsConfigGcePersistentDiskCsiDriverConfigArgs(
            enabled=True
        ),
        gcs_fuse_csi_driver_config=container.ClusterAddonsConfigGcsFuseCsiDriverConfigArgs(enabled=True),
        gke_backup_agent_config=container.ClusterAddonsConfigGkeBackupAgentConfigArgs(enabled=True),
        # Fail-over paths don't wait for a central DNS.
        dns_cache_config=container.ClusterAddonsConfigDnsCacheConfigArgs(enabled=True),
        http_load_balancing=container.ClusterAddonsConfigHttpLoadBalancingArgs(disabled=False),
        horizontal_pod_autoscaling=container.ClusterAddonsConfigHorizontalPodAutoscalingArgs(disabled=False),
    )
