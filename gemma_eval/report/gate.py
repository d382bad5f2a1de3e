"""A gate's result as a table, as Markdown for a pull request, as JUnit XML for CI systems, and as JSON values."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from gemma_eval.gate import Decision, GateResult, TaskVerdict
from gemma_eval.gate.policy import family
from gemma_eval.report import markdown
from gemma_eval.report.comparison import headline
from gemma_eval.report.table import Kind, TextColumn, TextTable
from gemma_eval.store.documents import without_nan

STYLES = {Decision.passed: "green", Decision.failed: "red", Decision.inconclusive: "yellow"}
WORDS = {
    Decision.passed: "PASS: no task dropped by its margin or more.",
    Decision.failed: "FAIL: a task dropped by more than its margin, and by more than chance explains.",
    Decision.inconclusive: "INCONCLUSIVE: there are too few items to tell a drop of the margin from no drop.",
}


def table(result: GateResult) -> TextTable:
    """A row for each task, and one for the small tasks together if there are several. Values are points of 100."""
    columns = [
        TextColumn("Task", Kind.name),
        TextColumn("Verdict", Kind.name),
        TextColumn("Items", rank=4),
        TextColumn("Baseline", rank=3),
        TextColumn("Run", rank=3),
        TextColumn("Change"),
        TextColumn(f"Limit ({1 - result.policy.alpha:.0%})", rank=1),
        TextColumn("Margin", rank=2),
        TextColumn("Noise", rank=5),
        TextColumn("Needs", Kind.words, rank=6),
    ]
    return TextTable("Gate", columns, [_row(verdict) for verdict in result.all_verdicts], "--markdown FILE")


def _row(verdict: TaskVerdict) -> list[str]:
    compared = verdict.compared
    return [
        verdict.name,
        verdict.decision.value,
        str(verdict.difference.n),
        f"{100 * compared.a:.1f}" if compared else "",
        f"{100 * compared.b:.1f}" if compared else "",
        f"{round(100 * verdict.difference.value, 2) + 0.0:+.2f}",
        "" if verdict.bound != verdict.bound else f"{100 * verdict.bound:+.2f}",
        f"-{100 * verdict.margin:.1f}",
        f"{100 * verdict.floor:.2f}" if verdict.floor else "",
        needs(verdict) if verdict.decision is Decision.inconclusive else "",
    ]


def needs(verdict: TaskVerdict) -> str:
    """How many items would decide the task: "2,100 items", with the benchmark's own number if it has fewer."""
    if verdict.needed is None:
        return "2 clusters or more"
    text = f"{verdict.needed:,} items"
    size = verdict.compared.size if verdict.compared else 0
    return f"{text} (of {size:,})" if 0 < size < verdict.needed else text


def sentence(verdict: TaskVerdict) -> str:
    """The verdict on a task in words, in points of 100."""
    limit = f"lower limit {100 * verdict.bound:+.2f}, margin -{100 * verdict.margin:.1f}"
    change = f"changed by {100 * verdict.difference.value:+.2f} points, {limit}"
    if verdict.decision is Decision.failed:
        return f"{change}; p = {verdict.p_regressed:.2g} (Holm) if there were no drop"
    if verdict.decision is Decision.inconclusive:
        return f"{change}; {verdict.difference.n} items, needs {needs(verdict)}"
    return change


def to_markdown(result: GateResult) -> str:
    """The decision, its table, what was compared, and how to read it."""
    parts = [f"## Gate: {result.decision.value}", WORDS[result.decision], markdown.table(table(result))]
    parts.append("\n".join(f"- {line.removeprefix('- ')}" for line in headline(result.comparison)))
    policy = result.policy
    parts.append(
        "Values are points of 100. A task passes if a drop of its margin is refuted. It fails if it dropped by more than its margin and "
        f'noise, and "it did not drop at all" is refuted (alpha {policy.alpha:g}, adjusted by Holm over the tasks). Tasks with too few '
        "items to be decided alone are also judged together."
    )
    return "\n\n".join(parts) + "\n"


def to_junit(result: GateResult) -> str:
    """JUnit XML with a test case for each task. Inconclusive tasks are skipped cases."""
    verdicts = result.all_verdicts
    counts = {decision: sum(verdict.decision is decision for verdict in verdicts) for decision in Decision}
    suite = ElementTree.Element(
        "testsuite",
        name=f"gate {result.comparison.b.name}",
        tests=str(len(verdicts)),
        failures=str(counts[Decision.failed]),
        errors="0",
        skipped=str(counts[Decision.inconclusive]),
    )
    for verdict in verdicts:
        group = family(type(verdict.compared.task)) if verdict.compared else ""
        case = ElementTree.SubElement(suite, "testcase", classname=f"gate.{group or 'pooled'}", name=verdict.name)
        if verdict.decision is Decision.failed:
            ElementTree.SubElement(case, "failure", message=sentence(verdict))
        elif verdict.decision is Decision.inconclusive:
            ElementTree.SubElement(case, "skipped", message=f"inconclusive: {sentence(verdict)}")
        else:
            ElementTree.SubElement(case, "system-out").text = sentence(verdict)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def to_json(result: GateResult) -> dict[str, Any]:
    """All numbers as JSON values, as shares of each metric's scale. Unknown ones are null."""
    value = {
        "decision": result.decision.value,
        "baseline": result.comparison.a.name,
        "run": result.comparison.b.name,
        "alpha": result.policy.alpha,
        "tasks": {
            verdict.name: {
                "decision": verdict.decision.value,
                "n": verdict.difference.n,
                "difference": verdict.difference.value,
                "limit": verdict.bound,
                "margin": verdict.margin,
                "noise_floor": verdict.floor,
                "p_within_margin": verdict.p_within,
                "p_regressed_holm": verdict.p_regressed,
                "items_needed": verdict.needed,
            }
            for verdict in result.all_verdicts
        },
    }
    return without_nan(value)  # type: ignore[no-any-return]
