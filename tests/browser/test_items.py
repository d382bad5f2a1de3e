"""The item browser in a real browser."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL.Image
import pytest

from gemma_eval.prompt.sections import Section
from gemma_eval.report.items import write_items
from gemma_eval.store.prompts import writing_prompts
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.store.thumbnails import Thumbnails
from gemma_eval.types import Image
from tests.browser.shown import question, quiz, with_prompts
from tests.runs import generated, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]

ROWS = "#rows [role=option]"
OPENED = "#item h2"
COUNT = "#count"

HOSTILE = [
    "<script>window.taken = 1</script>",
    "</script><script>window.taken = 1</script>",
    "<img src=x onerror='window.taken = 1'>",
    "<svg onload=window.taken=1><a href='javascript:window.taken=1'>x</a></svg>",
    "\"' onclick=window.taken=1 style=position:fixed",
    "${window.taken = 1}",
    "__proto__",
    "@HALF@",  # becomes half of a surrogate pair in the records
    "line\u2028and\u2029paragraph, \x00 and \x1b[31m",
    "\u202etxet \u2066neddih\u2069",
    "שלום עולם",
]
SHOWN = [
    *HOSTILE[:7],
    "U+D800",
    "line U+2028 and U+2029 paragraph, U+0000 and U+001B [31m",
    "U+202E txet U+2066 neddih U+2069",
    HOSTILE[-1],
]


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty questions of four subjects; the first run has every third wrong, the second every fifth; one text task in the first alone."""
    root = tmp_path_factory.mktemp("two")
    first = [(n + (n % 3 == 0)) % 4 for n in range(40)]
    second = [(n + (n % 5 == 0)) % 4 for n in range(40)]
    runs = [quiz(root / name, picks, subsets=4) for name, picks in (("first", first), ("second", second))]
    write_items(runs, root / "items")
    return root / "items" / "index.html"


def ids(page: Page) -> list[str]:
    return [text.removeprefix("item-") for text in page.locator(f"{ROWS} .id").all_inner_texts()]


def opened(page: Page, item: str) -> None:
    """Wait until an item is shown: the page's policy forbids Playwright to poll by a script."""
    page.locator(OPENED, has_text=re.compile(rf"{re.escape(item)}($|\s)")).wait_for()


def choose(page: Page, **values: str) -> None:
    for name, value in values.items():
        page.locator(f"#filters [name={name}]").select_option(value)


def test_filters(two_runs: Path, open_page: Open) -> None:
    page = open_page(two_runs)
    page.wait_for_selector(ROWS)
    assert page.locator(COUNT).inner_text() == "40 items; marks: first, second"
    choose(page, result="wrong")
    assert ids(page) == [str(n) for n in range(0, 40, 3)]
    choose(page, run="1", against="0")
    assert ids(page) == [str(n) for n in range(0, 40, 5)]
    choose(page, result="", change="gained")
    assert ids(page) == [str(n) for n in range(40) if n % 3 == 0 and n % 5]
    choose(page, change="lost")
    assert ids(page) == [str(n) for n in range(40) if n % 5 == 0 and n % 3]
    choose(page, change="answer")
    assert ids(page) == [str(n) for n in range(40) if (n % 3 == 0) != (n % 5 == 0)]
    choose(page, change="", subset="subject_01")
    assert ids(page) == [str(n) for n in range(1, 40, 4)]
    choose(page, subset="", order="low")
    assert ids(page)[:8] == [str(n) for n in range(0, 40, 5)]
    page.fill("[name=q]", "question 17 of")
    assert ids(page) == ["17"] and page.locator(COUNT).inner_text().startswith("1 of 40 items;")
    page.fill("[name=q]", "nothing of the kind")
    assert ids(page) == [] and page.locator(COUNT).inner_text().startswith("0 of 40 items;")


def test_an_address_leads_to_its_item_and_follows_the_choice(two_runs: Path, open_page: Open) -> None:
    page = open_page(two_runs, "#task=mmlu&result=wrong&id=item-6")
    page.wait_for_selector(OPENED)
    assert page.locator(OPENED).inner_text() == "mmlu item-6"
    assert page.locator("#item .results").inner_text().split() == ["✗", "wrong", "first", "✓", "right", "second"]
    assert page.locator("[name=result]").input_value() == "wrong"
    assert page.locator(f"{ROWS}[aria-selected=true] .id").inner_text() == "item-6"
    page.locator(ROWS).nth(3).click()
    opened(page, "item-9")
    page.wait_for_url("**/index.html#task=mmlu&run=0&result=wrong&against=1&id=item-9")
    page.evaluate("location.hash = '#task=mmlu&id=item-7'")
    opened(page, "item-7")
    assert page.locator("[name=result]").input_value() == ""
    page.evaluate("location.hash = '#task=mmlu&id=no-such'")
    page.get_by_text("mmlu has no item no-such.").wait_for()


def test_an_item_shows_what_was_asked_and_answered(two_runs: Path, open_page: Open) -> None:
    page = open_page(two_runs, "#task=mmlu&id=item-6")
    page.wait_for_selector(OPENED)
    exemplar = page.get_by_text("An example 5 of subject_02.")
    assert not exemplar.is_visible()
    page.get_by_text("5 exemplars").click()
    assert exemplar.is_visible()
    text = page.locator("#item").inner_text()
    assert "612 tokens" in text and "Question 6 of many?\nA. one" in text
    rows = [[cell.inner_text() for cell in row.locator("td").all()] for row in page.locator(".choices tbody tr").all()]
    gold = page.locator(".choices tbody tr").nth(2)
    assert "gold" in gold.inner_text() and "picked" in rows[2][1] and "picked" not in rows[2][0]
    assert "picked" in rows[3][0] and "-2.000 nats" in rows[3][0] and "1 token" not in rows[3][0]
    wide = [float(bar.evaluate("bar => bar.getBoundingClientRect().width")) for bar in page.locator(".bar > div").all()]
    assert max(wide[0::2]) == wide[6] and max(wide[1::2]) == wide[5]


def image_of(colour: str) -> Image:
    stream = io.BytesIO()
    PIL.Image.new("RGB", (300, 200), colour).save(stream, "PNG")
    return Image(stream.getvalue())


def test_images_are_where_they_were_in_the_prompt(tmp_path: Path, open_page: Open) -> None:
    record = replace(question(0, 0), fields={"query": "<image><image><image>What is shown?", "choices": list("ABCD")})
    run, seen, unseen = write_run(tmp_path / "run", {"mmlu": [record]}), image_of("navy"), image_of("gold")
    Thumbnails(run, 192).keep([seen])
    shown = [
        ("", seen.sha256, None),
        ("", seen.sha256, (0, 0, 150, 200)),
        ("before ", "", None),
        ("", unseen.sha256, None),
        ("What is shown?", "", None),
    ]
    with writing_prompts(run, "mmlu") as prompts:
        prompts.write(SampleKey(record.id, record.key), None, 700, [Section("query", 0, text, image, box) for text, image, box in shown])
    write_items([run], tmp_path / "items")
    page = open_page(tmp_path / "items" / "index.html", "#id=item-0")
    opened(page, "item-0")
    assert page.locator("#item img").evaluate_all("all => all.map(one => one.naturalWidth)") == [192, 192]
    text = page.locator("#item").inner_text()
    places = [
        text.index(words)
        for words in ("crop, pixels 0, 0, 150, 200", "before", "[image; the run kept no thumbnail of it]", "What is shown?")
    ]
    assert places == sorted(places)


def test_a_key_held_down_is_followed(two_runs: Path, open_page: Open) -> None:
    """Chromium refuses more than 200 changes of the address in a few seconds."""
    page = open_page(two_runs, "#id=item-0")
    opened(page, "item-0")
    page.evaluate("""async () => {
        for (let n = 0; n < 250; n++) {
            document.body.dispatchEvent(new KeyboardEvent('keydown', { key: n < 125 ? 'j' : 'k', bubbles: true }));
            if (n === 124) await new Promise((resolve) => setTimeout(resolve, 200));
        }
        document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'j', bubbles: true }));
    }""")
    opened(page, "item-1")
    page.wait_for_url("**id=item-1")


def test_keyboard_alone(two_runs: Path, open_page: Open) -> None:
    page = open_page(two_runs)
    page.wait_for_selector(ROWS)

    page.keyboard.press("j")
    opened(page, "item-0")
    page.keyboard.press("j")
    opened(page, "item-1")
    page.keyboard.press("k")
    opened(page, "item-0")
    page.locator("#rows").focus()
    page.keyboard.press("End")
    opened(page, "item-39")
    assert page.locator("#rows").get_attribute("aria-activedescendant") == "row-39"
    page.keyboard.press("ArrowUp")
    opened(page, "item-38")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "item"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "rows"
    page.keyboard.press("/")
    page.keyboard.type("question 21")
    assert ids(page) == ["21"]
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "rows"
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert page.evaluate("document.activeElement.id") == "item" and outline == "solid"


def test_fifteen_thousand_items(tmp_path: Path, open_page: Open) -> None:
    run = quiz(tmp_path / "full", [(n + (n % 3 == 0)) % 4 for n in range(15_000)])
    write_items([run], tmp_path / "items")
    page = open_page(tmp_path / "items" / "index.html", "#task=mmlu&id=item-14999")
    page.wait_for_selector(OPENED)
    seconds = page.evaluate("performance.now()") / 1000
    print(f"15,000 items: an item in sight {seconds:.2f} s after navigation")
    assert seconds < 2
    assert page.locator(COUNT).inner_text() == "15,000 items"
    assert page.locator(ROWS).count() < 60
    frames = page.evaluate(SCROLL)
    print(f"scrolling: median frame {sorted(frames)[len(frames) // 2]:.0f} ms, longest {max(frames):.0f} ms")
    assert sorted(frames)[len(frames) // 2] < 120
    page.locator(f"{ROWS} .id", has_text="item-14999").wait_for()
    page.evaluate("document.querySelector('#rows').scrollTop = 0")
    page.locator(f"{ROWS} .id", has_text=re.compile("item-0$")).wait_for()
    spent = page.evaluate("""async () => {
        const box = document.querySelector('[name=q]'), start = performance.now();
        box.value = 'question 1234 '; box.dispatchEvent(new Event('input', { bubbles: true }));
        await new Promise(requestAnimationFrame);
        return performance.now() - start;
    }""")
    assert ids(page) == [str(n) for n in range(15_000) if "1234" in str(n)] and spent < 1500


SCROLL = """async () => {
    const box = document.querySelector('#rows'), times = [];
    let before = performance.now();
    for (let step = 0; step <= 60; step++) {
        box.scrollTop = box.scrollHeight * step / 60;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        times.push(now - before);
        before = now;
    }
    return times;
}"""


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Every text of a run is meant to do harm; one is a million characters long."""
    records = []
    for number, text in enumerate([*HOSTILE, "long " * 200_000]):
        short = text[:500]
        record = generated("trivia_qa", f"{number} {short}", f"{text}", [f"gold {short}"], subset=short, cluster=f"cluster {short}")
        records.append(replace(record, extracted=short, fields={"query": text, short: short}))
    run = with_prompts(write_run(tmp_path / "<img src=x onerror=window.taken=1>", {"trivia_qa": records}), "trivia_qa", records, shots=1)
    for file in [run.records_file("trivia_qa"), run.path / "prompts/trivia_qa.jsonl", run.path / "manifest.json"]:
        file.write_text(file.read_text().replace("@HALF@", r"\ud800"))
    write_items([RunDir.open(run.path)], tmp_path / "items")
    return tmp_path / "items" / "index.html"


def test_nothing_hostile_runs_and_all_of_it_is_shown(hostile: Path, open_page: Open) -> None:
    page = open_page(hostile)
    page.wait_for_selector(ROWS)
    for number, text in enumerate(SHOWN):
        page.keyboard.press("j")
        opened(page, f"trivia_qa {number}")
        page.locator("summary").click()
        words = " ".join(page.locator("#item").evaluate(SPACED).split())
        for place in (f"{number} {text}", f"subset {text}", f"cluster {text}", f"gold {text}", f"An example 1 of {text}"):
            assert place in words, place
        assert words.count(text) >= 8, text  # id, subset, cluster, header, exemplar, query, field and its name, gold, answer, extracted
    page.keyboard.press("j")
    page.get_by_role("button", name="Show all 1,000,000 characters").first.wait_for()
    assert len(page.locator("#item").inner_text()) < 40_000
    page.get_by_role("button", name="Show all 1,000,000 characters").last.click()
    assert len(page.locator("#item").inner_text()) > 1_000_000
    for name in ("subset", "result"):
        assert page.locator(f"[name={name}] option").count() > 1
    assert page.evaluate("window.taken") is None
    assert page.locator("#item script, #item img, #item svg, #item a, #rows script, #rows img").count() == 0


# Marks of odd characters stand among words without spaces; the ear and this test want some.
SPACED = """item => {
    const copy = item.cloneNode(true);
    for (const mark of copy.querySelectorAll('.odd')) mark.textContent = ` ${mark.textContent} `;
    return copy.textContent;
}"""


def test_the_policy_forbids_what_is_not_a_file_beside_the_page(two_runs: Path, open_page: Open, complaints: list[str]) -> None:
    page = open_page(two_runs)
    page.wait_for_selector(ROWS)
    blocked = page.evaluate("""async () => {
        const found = [];
        document.addEventListener('securitypolicyviolation', (event) => found.push(event.effectiveDirective));
        const script = document.createElement('script');
        script.textContent = 'window.taken = 1';
        document.head.append(script);
        document.body.setAttribute('onclick', 'window.taken = 1');
        document.body.click();
        await new Promise((resolve) => setTimeout(resolve, 100));
        return found.sort();
    }""")
    assert blocked == ["script-src-attr", "script-src-elem"] and page.evaluate("window.taken") is None
    assert len(complaints) == 2 and all("Content Security Policy" in one for one in complaints)
    complaints.clear()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_accessibility(two_runs: Path, open_page: Open, width: int, dark: bool) -> None:
    """axe-core: names, roles, contrast, focus order. Narrow: the list, then the item in its place, nothing wider than the screen."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed (extra `dev`)").Axe()
    page = open_page(two_runs, width=width, height=740, dark=dark)
    page.wait_for_selector(ROWS)
    _check(axe, page)
    page.locator(ROWS).first.click()
    page.wait_for_selector(OPENED)
    page.get_by_text("5 exemplars").click()
    _check(axe, page)
    if width == 360:
        assert not page.locator("#rows").is_visible()
        page.get_by_role("button", name="Next").click()
        opened(page, "item-1")
        page.get_by_role("button", name="Back to the list").click()
        assert page.locator("#rows").is_visible() and not page.locator("#item").is_visible()


def _check(axe: Any, page: Page) -> None:
    found = axe.run(page, options={"preload": False}).response  # preloading would ask for the style sheet
    assert [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]] == []
    assert found["passes"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_run_that_is_not_finished_and_keeps_no_prompts(tmp_path: Path, open_page: Open) -> None:
    records = [question(number, 0) for number in range(3)]
    run = write_run(tmp_path / "old", {"mmlu": records})
    (run.path / "scores.json").unlink()
    lines = run.records_file("mmlu").read_text().splitlines(keepends=True)
    unscored = json.dumps(json.loads(lines[1]) | {"scores": {}}) + "\n"
    run.records_file("mmlu").write_text(lines[0] + unscored)
    write_items([run], tmp_path / "items")
    page = open_page(tmp_path / "items" / "index.html", "#id=item-1")
    page.wait_for_selector(OPENED)
    assert ids(page) == ["0", "1"]
    text = page.locator("#item").inner_text()
    assert "did not keep its prompts" in text and "Question 1 of many?" in text and "Not scored yet." in text
