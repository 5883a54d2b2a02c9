"""The fields of MLPerf's system description: which there are, and who fills them in."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Field:
    """A question to the submitter, with an example of an answer."""

    name: str
    example: str


ASKED = (
    Field("system_name", "Name of the machine, as it should appear in the results"),
    Field("status", "available, preview or rdi (research, development or internal)"),
    Field("host_memory_configuration", "e.g. 8x 16 GB DDR5-4800"),
    Field("cooling", "e.g. air"),
)
"""What no machine reports."""

DETECTED = (
    Field("host_processor_model_name", "e.g. Intel(R) Xeon(R) Gold 6430"),
    Field("host_processors_per_node", "e.g. 2"),
    Field("host_processor_core_count", "of one processor, e.g. 32"),
    Field("host_memory_capacity", "e.g. 128 GiB"),
    Field("host_storage_capacity", "e.g. 1 TB"),
    Field("host_storage_type", "e.g. NVMe SSD"),
    Field("host_networking", "e.g. 10000 Mbit/s Ethernet"),
    Field("host_network_card_count", "e.g. 1"),
    Field("operating_system", "e.g. Ubuntu 24.04"),
    Field("other_software_stack", "e.g. Python 3.12"),
)
"""What most machines report; asked for where this one does not."""

DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "system_type": "edge",
        "system_type_detail": "",
        "number_of_nodes": "1",
        "host_processor_frequency": "",
        "host_processor_caches": "",
        "host_processor_interconnect": "",
        # One node is connected to nothing.
        "host_networking_topology": "N/A",
        "accelerators_per_node": "0",
        "accelerator_model_name": "N/A",
        "accelerator_frequency": "",
        "accelerator_host_interconnect": "N/A",
        "accelerator_interconnect": "N/A",
        "accelerator_interconnect_topology": "",
        "accelerator_memory_capacity": "N/A",
        "accelerator_memory_configuration": "N/A",
        "accelerator_on-chip_memories": "",
        "hw_notes": "",
        "sw_notes": "",
    }
)
"""Right for one CPU machine; the submitter may say otherwise."""

FROM_SUBMISSION = ("division", "submitter", "framework")
MAY_BE_EMPTY = frozenset(name for name, value in DEFAULTS.items() if not value)
SYSTEM_FIELDS = frozenset(
    {*FROM_SUBMISSION, *DEFAULTS, *(field.name for field in (*ASKED, *DETECTED))}
)

NETWORK_FIELDS = (
    "network_type",
    "network_media",
    "network_rate",
    "nic_loadgen",
    "number_nic_loadgen",
    "net_software_stack_loadgen",
    "network_protocol",
    "number_connections",
    "nic_sut",
    "number_nic_sut",
    "net_software_stack_sut",
    "network_topology",
)
"""Asked for as soon as a description says anything in is_network."""

TEXT_FIELDS = (
    *FROM_SUBMISSION,
    "status",
    "system_type",
    "system_name",
    "host_processor_model_name",
    "accelerator_model_name",
    "operating_system",
    "hw_notes",
    "sw_notes",
)
"""Where the checkers take nothing but a text; elsewhere a number will do."""
