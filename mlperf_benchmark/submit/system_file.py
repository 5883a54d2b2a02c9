"""The TOML file in which the submitter answers what neither machine nor model reports."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlperf_benchmark.core.errors import UsageError
from mlperf_benchmark.core.files import staged
from mlperf_benchmark.core.registry import known_name
from mlperf_benchmark.core.toml import read_toml
from mlperf_benchmark.submit.rules import REQUIRED_BY_SYSTEM_TYPE, STATUSES, SYSTEM_TYPES
from mlperf_benchmark.submit.system_fields import ASKED, DEFAULTS, DETECTED, SYSTEM_FIELDS, Field

MODEL_FIELDS = (
    "retraining",
    "starting_weights_filename",
    "weight_data_types",
    "weight_transformations",
    "input_data_types",
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class SystemFile:
    """The answers. `system` and `model` hold what was filled in, by field."""

    path: Path
    submitter: str
    system: Mapping[str, str]
    model: Mapping[str, str]

    def describe(self, facts: Mapping[str, str]) -> dict[str, str]:
        """The fields of the system description but for those that the submission decides."""
        return {**DEFAULTS, **facts, **self.system}

    @property
    def folder_name(self) -> str:
        """The system's name as a folder: the checkers refuse blanks."""
        return re.sub(r"[^A-Za-z0-9_.+-]+", "_", self.system["system_name"]).strip("_.")


def read_system_file(path: Path) -> SystemFile:
    """Raises UsageError for a file that makes no sense, and FileNotFoundError."""
    content = read_toml(path)
    for key in content:
        known_name(f"key in {path}", key, ("submitter", "system", "model"))
    submitter = content.get("submitter", "")
    if not isinstance(submitter, str):
        raise UsageError(f"{path}: submitter must be a text in quotes.")
    if submitter and not NAME.fullmatch(submitter):
        raise UsageError(
            f'{path}: the submitter "{submitter}" becomes a folder: letters, digits, "_", "." '
            f'and "-" only.'
        )
    system = _answers(content, "system", SYSTEM_FIELDS, path)
    if "status" in system:
        known_name("status", system["status"], STATUSES)
    if "system_type" in system:
        _check_system_type(path, system["system_type"])
    return SystemFile(
        path, submitter, system, _answers(content, "model", frozenset(MODEL_FIELDS), path)
    )


def _check_system_type(path: Path, system_type: str) -> None:
    known_name("system_type", system_type, SYSTEM_TYPES)
    if system_type not in REQUIRED_BY_SYSTEM_TYPE:
        raise UsageError(
            f'{path}: the system_type "{system_type}" has had no ResNet-50 since v5.1. Write '
            f'"edge", or in the open division "datacenter,edge".'
        )


def _answers(
    content: Mapping[str, Any], table: str, names: frozenset[str], path: Path
) -> dict[str, str]:
    values = content.get(table, {})
    if not isinstance(values, dict):
        raise UsageError(f"{path}: {table} must be a table, [{table}].")
    answers = {}
    for name, value in values.items():
        known_name(f"field in [{table}] of {path}", name, names)
        if isinstance(value, (dict, list)):
            raise UsageError(f"{path}: {name} must be one text or number.")
        if str(value).strip():
            answers[name] = str(value).strip()
    return answers


def missing_answers(file: SystemFile, facts: Mapping[str, str], model: Sequence[str]) -> list[str]:
    """What is still to be filled in; `model` names the model's fields that must come from here."""
    missing = [] if file.submitter else ["submitter"]
    described = file.describe(facts)
    missing += [
        f"{field.name} ({field.example})"
        for field in (*ASKED, *DETECTED)
        if not described.get(field.name)
    ]
    missing += [f"[model] {name}" for name in model if name not in file.model]
    return missing


def write_template(path: Path, facts: Mapping[str, str], model: Sequence[str]) -> None:
    """Write a file with what is to be filled in, and what was found out as comments."""
    to_ask = [*ASKED, *(field for field in DETECTED if field.name not in facts)]
    lines = [
        "# What neither the machine nor the model tells about itself. Fill in every empty value.",
        'submitter = ""  # your organisation, as a folder name',
        "",
        "[system]",
        *(f'{_key(field)} = ""  # {field.example}' for field in to_ask),
        "",
        "# Found out, or right for one CPU machine; remove the # of a line to say otherwise.",
        *(f"# {_quoted(name)} = {json.dumps(value)}" for name, value in facts.items()),
        *(
            f"# {_quoted(name)} = {json.dumps(value)}"
            for name, value in DEFAULTS.items()
            if name not in facts
        ),
        "",
        "[model]",
        *(f'{name} = ""' for name in model),
    ]
    with staged(path.parent) as folder:
        (folder / path.name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _key(field: Field) -> str:
    return _quoted(field.name)


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
