from __future__ import annotations

from gemma_eval.data.dataset import current_name, former_names


def test_a_moved_organisation_is_known_by_both_names() -> None:
    assert current_name("lmms-lab/VQAv2") == current_name("lmms-lab-encoder/VQAv2") == "lmms-lab-encoder/VQAv2"
    assert current_name("samples:lmms-lab/VQAv2") == "samples:lmms-lab-encoder/VQAv2"
    assert former_names("lmms-lab-encoder/VQAv2") == ["lmms-lab/VQAv2"]


def test_other_names_stay() -> None:
    for repo in ("baber/piqa", "samples:baber/piqa", "squad", "", "hails/agieval-{config}", "other/lmms-lab"):
        assert current_name(repo) == repo and former_names(repo) == []
