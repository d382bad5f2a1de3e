"""What a run writes before its first answer: settings, environment, manifest and prompts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import yaml
from omegaconf import OmegaConf

from gemma_eval.config.selection import model_label
from gemma_eval.run.earlier import continued
from gemma_eval.run.prepare import Prepared
from gemma_eval.runtime.environment import machine
from gemma_eval.settings import RunConfig
from gemma_eval.store.environment import Check, Environment
from gemma_eval.store.manifest import GroupSize, Manifest, TaskManifest
from gemma_eval.store.prompts import has_prompts, writing_prompts
from gemma_eval.store.run_dir import RunDir
from gemma_eval.task.samples import TaskSamples


def write_header(directory: RunDir, config: RunConfig, prepared: Prepared) -> None:
    """Write what the answers will mean. A run that is started again keeps what it asked before.

    Raises `RunError`, before anything is written, if these settings would lose answers of an earlier start.
    """
    manifest = Manifest(
        model=model_label(config),
        suite=config.suite.name,
        plugins=list(config.plugins),
        tasks={built.task.name: _task_manifest(built, prepared) for built in prepared.tasks},
    )
    datasets = {built.task.name: built.provenance for built in prepared.tasks}
    checks: list[Check] = []
    if directory.has_manifest:
        before = directory.environment
        choosing = {built.task.name: built.task.selection_settings for built in prepared.tasks}
        checks = before.checks if before.model == prepared.backend.fingerprint else []  # as long as nothing new is asked
        manifest = continued(directory, manifest, config, prepared.backend.fingerprint, choosing)
        datasets = {name: datasets.get(name) or found for name, found in before.datasets.items() if name in manifest.tasks} | datasets
    _write_prompts(directory, prepared, manifest)
    directory.write_text("config.yaml", _config_yaml(config, manifest))
    environment = Environment(**machine(), model=prepared.backend.fingerprint, datasets=datasets, checks=checks)
    directory.write_json("environment.json", environment.to_json())
    directory.write_json("manifest.json", manifest.to_json())


def _task_manifest(built: TaskSamples, prepared: Prepared) -> TaskManifest:
    asked = Counter(built.task.group(sample.subset) for sample in built.samples)
    return TaskManifest(
        settings=built.task.settings(),
        size=built.size,
        source=built.provenance.source,
        samples=[item.sample_key for item in prepared.samples_of[built.task.name]],
        groups={name: GroupSize(size, asked[name]) for name, size in built.group_sizes.items()},
        missing=dict(built.missing),
    )


def _config_yaml(config: RunConfig, manifest: Manifest) -> str:
    """The settings of this start, with those of every task that the run has."""
    settings = OmegaConf.to_container(OmegaConf.structured(replace(config, tasks=None)), enum_to_str=True)
    assert isinstance(settings, dict)
    return str(yaml.safe_dump(settings | {"tasks": manifest.settings()}, sort_keys=False, allow_unicode=True))


def _write_prompts(directory: RunDir, prepared: Prepared, manifest: Manifest) -> None:
    """The prompts of the tasks that are asked as these settings say; a task that keeps what it had keeps its prompts."""
    for name, samples in prepared.samples_of.items():
        asked = [item.sample_key for item in samples]
        if manifest.tasks[name].samples != asked or has_prompts(directory, name, asked):
            continue
        with writing_prompts(directory, name) as prompts:
            for item in samples:
                sections = prepared.sections(item.sample.request, item.encoded)
                prompts.write(item.sample_key, item.sample.fields.get("query"), len(item.encoded.prompt), sections)
