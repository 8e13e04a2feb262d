"""Settings that are fine one by one and wrong together.

A field's own limits are in `settings`; here is what only shows when two of them meet. Each check names the setting to
change, so that the person who reads it has nothing to look up. What a stack must have for those who rely on it is in
`demands`.
"""

from collections.abc import Callable, Iterator

from components.checks import application, disks, members, networks, room, times, uploads, watching
from components.checks.fault import Fault
from components.settings import Settings

__all__ = ["Fault", "contradictions"]


def contradictions(settings: Settings) -> list[Fault]:
    """Every pair of settings that can't both be meant."""
    return [fault for check in _CHECKS for fault in check(settings)]


_CHECKS: tuple[Callable[[Settings], Iterator[Fault]], ...] = (
    room.quotas_admit_the_workloads,
    room.sized_pods_fit_a_node,
    room.memory_suffices,
    room.connections_suffice,
    members.disruptions_leave_enough,
    members.quorum_is_a_majority,
    networks.networks_are_apart,
    networks.networks_are_large_enough,
    networks.hosts_and_certificates_agree,
    networks.edge_can_be_reached,
    networks.googles_edge_is_complete,
    networks.images_are_pushed_where_the_cluster_pulls,
    times.timeouts_nest,
    times.backups_reach_back,
    times.alarm_is_beyond_the_goal,
    disks.disks_go_with_machines,
    uploads.uploads_are_in_one_place,
    application.an_engineer_s_tools_have_their_image,
    application.what_is_promoted_is_built_elsewhere,
    application.source_is_one_place,
    application.variables_are_told_apart,
    application.names_are_told_apart,
    watching.traces_have_somebody_to_take_them_in,
)
