"""Charts, clock faces and diagrams."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence

import matplotlib as mpl
from PIL import Image, ImageDraw

from tools.draw.papers import font

mpl.use("agg")


def chart(plot: Callable[[mpl.axes.Axes], object], title: str) -> Image.Image:
    """A matplotlib chart. `plot` draws on its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 3.1), dpi=90)
    axes = figure.subplots()
    plot(axes)
    axes.set_title(title, fontsize=11)
    figure.tight_layout()
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return Image.open(stream).convert("RGB")


def bars(title: str, values: dict[str, float], label: str = "{}") -> Image.Image:
    """A bar chart. `label` is the format of the numbers on the bars."""

    def plot(axes: mpl.axes.Axes) -> None:
        drawn = axes.bar(list(values), list(values.values()), color="teal")
        axes.bar_label(drawn, [label.format(value) for value in values.values()])

    return chart(plot, title)


def lines(title: str, years: Sequence[int], series: dict[str, Sequence[float]]) -> Image.Image:
    """A line chart of up to three series, with the value at each point."""

    def plot(axes: mpl.axes.Axes) -> None:
        for (name, values), style in zip(series.items(), ("o-", "s--", "^:"), strict=False):
            axes.plot(years, values, style, label=name)
            for year, value in zip(years, values, strict=True):
                axes.annotate(str(value), (year, value), fontsize=7)
        axes.set_xticks(years)
        axes.legend()

    return chart(plot, title)


def pie(title: str, shares: dict[str, float]) -> Image.Image:
    """A pie chart. Shares in percent."""
    return chart(lambda axes: axes.pie(list(shares.values()), labels=[f"{name} {share:g}%" for name, share in shares.items()]), title)


def clock(hour: int, minute: int) -> Image.Image:
    """A clock face that shows the time."""
    image = Image.new("RGB", (160, 160), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((6, 6, 154, 154), outline="black", width=4)
    for number in range(1, 13):
        angle = math.pi * number / 6
        draw.text((80 + 60 * math.sin(angle), 80 - 60 * math.cos(angle)), str(number), fill="black", font=font(14), anchor="mm")
    for turn, length, width in (((hour + minute / 60) / 12, 34, 6), (minute / 60, 52, 3)):
        angle = 2 * math.pi * turn
        draw.line((80, 80, 80 + length * math.sin(angle), 80 - length * math.cos(angle)), fill="black", width=width)
    return image


def equation(text: str) -> Image.Image:
    """A line of text."""
    image = Image.new("RGB", (200, 70), "ivory")
    ImageDraw.Draw(image).text((100, 35), text, fill="navy", font=font(24), anchor="mm")
    return image


def graph(edges: list[tuple[int, int]], order: Sequence[int] = range(5)) -> Image.Image:
    """A graph of five nodes on a circle. `order` lists the nodes clockwise from the top."""
    image = Image.new("RGB", (160, 160), "white")
    draw = ImageDraw.Draw(image)
    spots = {
        node: (80 + 60 * math.sin(2 * math.pi * place / 5), 80 - 60 * math.cos(2 * math.pi * place / 5)) for place, node in enumerate(order)
    }
    for one, other in edges:
        draw.line((*spots[one], *spots[other]), fill="black", width=3)
    for x, y in spots.values():
        draw.ellipse((x - 8, y - 8, x + 8, y + 8), fill="orange", outline="black")
    return image


def flow(labels: Sequence[str]) -> Image.Image:
    """A cycle of named stages with arrows, as in school books."""
    image = Image.new("RGB", (340, 300), "white")
    draw = ImageDraw.Draw(image)
    spots = [
        (170 + 110 * math.sin(2 * math.pi * i / len(labels)), 150 - 105 * math.cos(2 * math.pi * i / len(labels)))
        for i in range(len(labels))
    ]
    for (x, y), (to_x, to_y) in zip(spots, [*spots[1:], spots[0]], strict=True):
        tip_x, tip_y = x + 0.7 * (to_x - x), y + 0.7 * (to_y - y)
        draw.line((x, y, tip_x, tip_y), fill="gray", width=3)
        angle = math.atan2(to_y - y, to_x - x)
        head = [(tip_x - 12 * math.cos(angle + turn), tip_y - 12 * math.sin(angle + turn)) for turn in (0.5, -0.5)]
        draw.polygon([(tip_x, tip_y), *head], fill="gray")
    for (x, y), label in zip(spots, labels, strict=True):
        draw.rounded_rectangle((x - 46, y - 17, x + 46, y + 17), 8, fill="honeydew", outline="black")
        draw.text((x, y), label, fill="black", font=font(15), anchor="mm")
    return image
