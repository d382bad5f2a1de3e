"""Config.yaml, environment.json, manifest.json and prompts of a run."""

from __future__ import annotations

from collections import Counter

import yaml
from omegaconf import OmegaConf

from gemma_eval.run.prepare import Prepared
from gemma_eval.runtime.environment import environment
from gemma_eval.settings import RunConfig
from gemma_eval.store.prompts import has_prompts, writing_prompts
from gemma_eval.store.run_dir import SCHEMA, RunDir
from gemma_eval.task.samples import TaskSamples


def _write_header(directory: RunDir, config: RunConfig, prepared: Prepared) -> None:
    """Settings, environment and manifest: what the answers will mean."""
    settings = OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)
    assert isinstance(settings, dict)
    chosen = set(config.suite.tasks)
    settings["tasks"] = {name: task for name, task in settings["tasks"].items() if name in chosen}
    directory.write_text("config.yaml", yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    directory.write_json(
        "environment.json",
        environment()
        | {"model": prepared.backend.fingerprint, "datasets": {built.task.name: built.provenance for built in prepared.builds}},
    )
    manifest = {}
    for built in prepared.builds:
        entries = [[item.sample.id, item.key] for item in prepared.asked_of[built.task.name]]
        manifest[built.task.name] = {
            "settings": built.task.settings(),
            "size": built.size,
            "source": built.provenance["source"],
            "groups": _groups(built),
            "missing": dict(built.missing),
            "samples": entries,
        }
    directory.write_json("manifest.json", {"schema": SCHEMA, "plugins": list(config.plugins), "tasks": manifest})


def _write_prompts(directory: RunDir, prepared: Prepared) -> None:
    for name, asked in prepared.asked_of.items():
        if has_prompts(directory, name, [item.entry for item in asked]):
            continue
        with writing_prompts(directory, name) as prompts:
            for item in asked:
                sections = prepared.sections(item.sample.request, item.encoded)
                prompts.write(item.entry, item.sample.fields.get("query"), len(item.encoded.prompt), sections)


def _groups(built: TaskSamples) -> dict[str, dict[str, int]]:
    asked = Counter(built.task.group(sample.subset) for sample in built.samples)
    return {name: {"size": size, "asked": asked[name]} for name, size in built.group_sizes.items()}
