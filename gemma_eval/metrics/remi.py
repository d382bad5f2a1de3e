"""ReMI's rules for an answer that is given alone, by task (Kazemi et al., 2024, arXiv 2406.09175; evaluation code of the authors).

Clocks may be off by 10 minutes, areas and costs by 3 %, other numbers by 1 %. RefCoco's gold lists the numbers of all right boxes.
"""

from __future__ import annotations


def correct(answer: str, label: str, task: str) -> float:
    """1.0 if the answer is right by the rule of its task, such as "Clocks"; else 0.0."""
    found, wanted = _clean(answer), _clean(label)
    if task == "RefCoco":
        return float(found in wanted.split(","))
    if task in {"GeomShape", "GeomCost"}:
        return float(_close(found, wanted, relative=0.03))
    if task == "Clocks":
        return float(_close(found, wanted, absolute=10))
    return float(_same(found, wanted) or _close(found, wanted, relative=0.01))


def _same(answer: str, label: str) -> bool:
    """Whether both are equal, except for spaces, surrounding brackets, or a function's "(x)"."""
    forms = {label, label.replace(" ", ""), f"({label})", f"{label}(x)" if label in {"f", "g", "h"} else label}
    return bool(answer) and (answer in forms or f"({answer})" == label or answer.replace(" ", "") == label)


def _close(answer: str, label: str, relative: float = 0.0, absolute: float = 0.0) -> bool:
    try:
        found, wanted = float(answer), float(label)
    except ValueError:
        return False
    return abs(found - wanted) <= relative * abs(wanted) + absolute


def _clean(text: str) -> str:
    return text.lower().replace("\\", "").split("%")[0].strip()
