"""Figures: which there are, that names do not collide, and that the numbers drawn are the run's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from gemma_eval.card import SIZES
from gemma_eval.card.rebuilt import card
from gemma_eval.commands.main import main
from gemma_eval.report.figures import Drawn, Failed, figures, inline_svg, save_figures
from gemma_eval.report.figures.calibration import binned, expected_error
from gemma_eval.report.figures.style import Value
from gemma_eval.report.page import to_html
from gemma_eval.store.run_dir import RunDir
from tests.runs import answers, choice, write_card_run, write_run


def drawn(*runs: RunDir) -> dict[str, Drawn]:
    found = list(figures(card([run.scores for run in runs]), runs, lambda _: None))
    made = [one[0] for one in found if not isinstance(one, Failed)]
    assert len({one.name for one in made}) == len(found)
    return {one.name: one for one in made}


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Drawn]:
    folder = tmp_path_factory.mktemp("five")
    return drawn(*(write_card_run(folder / size, size) for size in SIZES))


def test_five_sizes_and_41_rows(five: dict[str, Drawn]) -> None:
    assert list(five) == [
        "published_measured", "differences", "sizes", "subsets_bbh", "subsets_mmlu", "subsets_flores", "subsets_ruler", "failures", "cost",
    ]  # fmt: skip
    assert len([axes for axes in five["sizes"].figure.axes if axes.axison]) == 52
    assert len(five["subsets_mmlu"].figure.axes[0].get_yticks()) == 57


def texts(figure: Figure) -> list[Text]:
    """What is drawn of words and numbers; ticks outside of their axis are not."""
    figure.draw_without_rendering()
    axes: list[Any] = [axis for one in figure.axes for axis in (one.xaxis, one.yaxis)]
    ticks = {text for axis in axes for text in (*axis.get_ticklabels(), axis.offsetText)}
    shown = {tick.label1 for axis in axes for tick in axis._update_ticks()}
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible() and text.get_text().strip()]
    return [text for text in found if text not in ticks or text in shown]


def test_no_two_labels_collide_and_none_is_cut_off(five: dict[str, Drawn]) -> None:
    for name, one in five.items():
        boxes = [(text.get_text(), text.get_window_extent().extents) for text in texts(one.figure)]
        names, ends = [text for text, _ in boxes], np.array([end for _, end in boxes])
        assert len(names) > 20
        page = one.figure.bbox.extents
        assert (ends[:, :2] >= page[:2]).all() and (ends[:, 2:] <= page[2:]).all(), name
        low, high = ends[:, :2] + 0.5, ends[:, 2:] - 0.5  # they may touch
        over = ((low[:, None] < high[None]) & (high[:, None] > low[None])).all(axis=2)
        assert [(names[i], names[j]) for i, j in zip(*np.nonzero(np.triu(over, 1)), strict=True)] == [], name


def test_figures_with_nothing_to_show_are_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"piqa": answers([True] * 30 + [False] * 10)})
    assert list(drawn(run)) == ["published_measured", "differences", "calibration", "cost"]
    run.write_json("scores.json", replace(run.scores, tasks={}).to_json())
    assert "published_measured" not in drawn(run) and "cost" not in drawn(run)


def test_weights_and_history(tmp_path: Path) -> None:
    full = [write_run(tmp_path / f"full{i}", {"piqa": answers([True] * (60 + i) + [False] * (40 - i))}) for i in range(3)]
    small = write_run(tmp_path / "small", {"piqa": answers([True] * 50 + [False] * 50)}, model={"weights": "bnb_nf4"})
    found = drawn(*full, small)
    assert {"weights_270m_pt", "history"} <= set(found)
    (line,) = [line for line in found["weights_270m_pt"].figure.axes[0].lines if line.get_marker() != "None"]
    assert line.get_xdata() == pytest.approx([-10])
    assert found["history"].figure.axes[0].lines[0].get_ydata() == pytest.approx([60, 61, 62])
    other = write_run(tmp_path / "other", {"boolq": answers([True] * 9, task="boolq")}, model={"weights": "bnb_int8"})
    assert "weights_270m_pt" not in drawn(full[0], other)  # no item in common


def test_calibration_by_hand() -> None:
    confidences, right = [55.0] * 8 + [95.0] * 5 + [75.0] * 4, [1.0] * 4 + [0.0] * 4 + [1.0] * 5 + [1.0] * 4
    low, high = binned(confidences, right, [str(i) for i in range(17)])  # four items are too few
    assert (low.n, low.confidence, low.right.value) == (8, 55, 50) and low.right.low < 50 < low.right.high
    assert (high.n, high.confidence, high.right.value) == (5, 95, 100)
    assert expected_error([low, high]) == pytest.approx(5.0)


@pytest.mark.parametrize("right", [False, True])
def test_bins_that_are_all_right_or_all_wrong_are_drawn(tmp_path: Path, right: bool) -> None:
    """matplotlib refuses an error bar of negative length, even of -7e-18."""
    for n in range(5, 100):
        (only,) = binned([95.0] * n, [float(right)] * n, [str(i) for i in range(n)])
        assert only.right.low <= only.right.value <= only.right.high, n
    assert "calibration" in drawn(write_run(tmp_path / "a", {"piqa": answers([right] * 10)}))


def break_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Value:
        raise ValueError("'yerr' must not contain negative values")

    monkeypatch.setattr("gemma_eval.report.figures.calibration.points", broken)


def test_a_figure_that_fails_is_named_and_does_not_cost_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "a", {"piqa": answers([True] * 30 + [False] * 10)})
    names = list(drawn(run))
    break_calibration(monkeypatch)
    found = list(save_figures(card([run.scores]), [run], tmp_path / "x", "svg"))
    failed = [one for one in found if isinstance(one, Failed)]
    assert [one.name if isinstance(one, Failed) else one.stem for one in found] == names
    assert [str(one) for one in failed] == [
        "Calibration of multiple choices: this figure could not be drawn (ValueError: 'yerr' must not contain negative values)"
    ]
    assert sorted(path.stem for path in (tmp_path / "x").iterdir()) == sorted({*names} - {"calibration"})


def test_the_page_names_a_figure_that_fails_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "a", {"piqa": answers([True] * 30 + [False] * 10)})
    break_calibration(monkeypatch)
    text = to_html(card([run.scores]), [run], tmp_path)
    places = [text.index(f'id="figure-{name}"') for name in ("differences", "calibration", "cost")]
    failed = text[places[1] : places[2]]
    assert places == sorted(places) and "<svg" in text[places[0] : places[1]] and "<svg" in text[places[2] :]
    assert "Calibration of multiple choices" in failed and "could not be drawn: ValueError: &#39;yerr&#39; must" in failed
    assert "<svg" not in failed and 'href="#figure-calibration"' in text


def test_a_figure_that_cannot_be_written_in_a_form_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "a", {"piqa": answers([True] * 30 + [False] * 10)})

    def render(one: Drawn) -> str:
        if one.name == "cost":
            raise RuntimeError("no room for the axes")
        return one.name

    found = list(figures(card([run.scores]), [run], render))
    assert [one.reason for one in found if isinstance(one, Failed)] == ["RuntimeError: no room for the axes"] and len(found) == 4


def test_confidence_is_the_share_of_the_likeliest_choice(tmp_path: Path) -> None:
    records = [choice("piqa", str(i), (float(np.log(0.3)), float(np.log(0.1))), gold=i % 2) for i in range(20)]  # 75 %, right half the time
    axes = drawn(write_run(tmp_path / "a", {"piqa": records}))["calibration"].figure.axes[0]
    point = next(line for line in axes.lines if line.get_marker() == "o")
    assert point.get_xdata() == pytest.approx([75]) and point.get_ydata() == pytest.approx([50])


def test_svg_of_the_page_has_its_own_ids_text_as_text_and_the_colours_of_the_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"piqa": answers([True] * 30 + [False] * 10)})
    found = [ElementTree.fromstring(inline_svg(one)) for one in drawn(run).values()]
    ids = [element.attrib["id"] for root in found for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    for root in found:
        style = " ".join(element.attrib.get("style", "") for element in root.iter())
        assert "var(--series-1)" in style and "currentColor" in style and not any(color in style for color in ("#0072b2", "#1b1d21"))
        assert not [element for element in root.iter() if element.tag.endswith(("style", "metadata"))] and root.attrib["aria-label"]
        links = [value[1:] for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")]
        assert set(links) <= set(ids)
    assert "PIQA" in "".join(found[1].itertext())


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_figures_are_written_as_files(form: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"piqa": answers([True] * 30 + [False] * 10)}).path
    for folder in ("x", "y"):
        assert main(["report", str(run), "--figures", str(tmp_path / folder), "--format", form]) == 0
    files = sorted(path.name for path in (tmp_path / "x").iterdir())
    assert files == sorted(f"{name}.{form}" for name in ("published_measured", "differences", "calibration", "cost"))
    assert all((tmp_path / "x" / name).read_bytes() == (tmp_path / "y" / name).read_bytes() for name in files)
