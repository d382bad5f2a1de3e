# ruff: noqa: E501 - tables of data
"""Draws the images and writes the rows of every bundled image sample."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tools.draw import charts
from tools.draw.album import ALBUM
from tools.draw.files import FOLDER, SampleRow, save, votes, write
from tools.draw.reading import diagrams, documents, graphs, infographics, signs
from tools.draw.scenes import Thing, scene


def photographs() -> None:
    """COCO captions, VQAv2, OK-VQA and TallyQA, with the same scenes."""
    images = {name: save(entry.image, f"scenes/{name}.png") for name, entry in ALBUM.items()}
    captions, vqa, okvqa, tally = [], [], [], []
    for number, (name, entry) in enumerate(ALBUM.items()):
        coco = 900000 + 17 * number
        captions.append({
            "question_id": f"{coco:012}.jpg", "image": images[name], "question": "Please carefully observe the image and come up with a caption.",
            "answer": list(entry.captions), "id": coco, "license": 0, "file_name": f"{coco:012}.jpg", "coco_url": "",
            "height": entry.image.height, "width": entry.image.width, "date_captured": "",
        })  # fmt: skip
        for place, (question, kind, answers) in enumerate(entry.vqa):
            given = [{"answer": answer, "answer_confidence": "yes", "answer_id": i + 1} for i, answer in enumerate(votes(answers))]
            vqa.append({
                "question_type": "", "multiple_choice_answer": given[0]["answer"], "answers": given, "image_id": coco,
                "answer_type": kind, "question_id": 1000 * coco + place, "question": question, "image": images[name],
            })  # fmt: skip
        okvqa += [
            {
                "question_id": f"{coco}{place}", "image": images[name], "question": question, "answers": votes(answers),
                "question_type": "", "answer_type": "other"
            }
            for place, (question, answers) in enumerate(entry.okvqa)
        ]  # fmt: skip
        if entry.counts:
            qa = [{"question": q, "answer": str(n), "is_simple": simple, "data_source": "drawn"} for q, n, simple in entry.counts]
            tally.append({"image": images[name], "qa": qa})
    write("coco_caption", (("", "val", row) for row in captions))
    write("vqav2", (("", "validation", row) for row in vqa))
    write("okvqa", (("", "val2014", row) for row in okvqa))
    write("tallyqa", (("", "test", row) for row in tally))


LETTER = "Please answer directly with only the letter of the correct option and nothing else."
WORD = "Please answer directly with a single word or number."
ROADS = [
    ("street_cars", "Which car is closer to the left edge?\nA. The orange one\nB. The blue one\n" + LETTER, "B"),
    ("street_cars", f"How many cars are there? {WORD}", "2"),
    ("lone_car", f"Is there a tree to the right of the car? {WORD}", "Yes"),
    ("lone_car", "What time of day is it?\nA. Night\nB. Noon\nC. Dawn\n" + LETTER, "A"),
    ("orchard", f"How many trees are there? {WORD}", "5"),
    ("three_boats", "Which boat is largest?\nA. The left\nB. The right\nC. The middle\n" + LETTER, "C"),
    ("kites", f"How many kites are there? {WORD}", "4"),
    ("night_house", f"Is the sky bright? {WORD}", "No"),
    ("cups_on_table", "What is on the table?\nA. Plates\nB. Cups\n" + LETTER, "B"),
    ("beach_house", f"What colour is the ball? {WORD}", "Orange"),
    ("cubes", "Which cube is second from the left?\nA. Green\nB. Blue\nC. Red\n" + LETTER, "A"),
    ("boat_and_kite", f"Is the kite above the horizon? {WORD}", "Yes"),
    ("two_cats", f"Which way does the black cat face, left or right? {WORD}", "Right"),
    ("cat_and_ball", "Where is the tree?\nA. Left of the cat\nB. Right of the cat\n" + LETTER, "A"),
]


def roads() -> None:
    """RealWorldQA. Its images come straight from cameras: one of ours lies on its side, and its EXIF data says so."""
    turned = ALBUM["street_cars"].image.rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # upright after a quarter turn clockwise
    images = {name: {"path": f"scenes/{name}.png"} for name in ALBUM}
    images["street_cars"] = save(turned, "scenes/street_cars_on_its_side.jpg", quality=70, exif=exif)
    rows = ({"image": images[name], "image_path": f"{i}.webp", "question": q, "answer": a} for i, (name, q, a) in enumerate(ROADS))
    write("realworldqa", (("", "test", row) for row in rows))


def exams() -> None:
    """MMMU. Options are the source of a Python list, images stand where they are marked, and one item has images as options."""
    image_columns = [f"image_{i}" for i in range(1, 8)]

    def row(
        subject: str, split: str, number: int, question: str, options: list[str], answer: str, *images: SampleRow
    ) -> tuple[str, str, SampleRow]:
        columns = dict(zip(image_columns, [*images, *[None] * 7], strict=False))
        kind = "multiple-choice" if options else "open"
        common = {"id": f"{split}_{subject}_{number}", "question": question, "options": repr(options), "explanation": "", "answer": answer}
        return subject, split, common | columns | {"img_type": "", "topic_difficulty": "Easy", "question_type": kind, "subfield": ""}

    sales = save(charts.bars("Sales of Orr Ltd ($1,000)", {"Q1": 40, "Q2": 55, "Q3": 35, "Q4": 70}), "exams/sales.png")
    costs = save(charts.pie("Costs of Orr Ltd", {"wages": 50, "rent": 30, "other": 20}), "exams/costs.png")
    cycle = save(charts.flow(["egg", "X", "pupa", "adult"]), "exams/cycle.png")
    line = save(charts.lines("f", [0, 1, 2, 3], {"f(x)": [1, 3, 5, 7]}), "exams/line.png")
    square = save(scene("plain", Thing("cube", 190, 220, 120, "lightgray")), "exams/square.png")
    disc = save(scene("plain", Thing("ball", 190, 220, 120, "lightgray")), "exams/disc.png")
    write("mmmu", [
        row("Accounting", "dev", 1, "<image 1> Which quarter sold the most?", ["Q1", "Q2", "Q3", "Q4"], "D", sales),
        row("Accounting", "dev", 2, "By <image 1>, what part of the costs is rent?", ["20%", "30%", "50%"], "B", costs),
        row("Accounting", "dev", 3, "What are the sales of the year, in $1,000? <image 1>", [], "200", sales),
        row("Accounting", "validation", 1, "Refer to <image 1>. By how much did sales rise from Q3 to Q4?", ["$15,000", "$35,000", "$70,000"], "B", sales),
        row("Accounting", "validation", 2, "If costs are $120,000, what are the wages? <image 1>", ["$60,000", "$36,000", "$24,000"], "A", costs),
        row("Accounting", "validation", 3, "Sales are in <image 1>, shares of cost in <image 2>. Which share is largest?", [], "wages", sales, costs),
        row("Biology", "dev", 1, "<image 1> Which stage is hidden by X?", ["nymph", "larva", "imago"], "B", cycle),
        row("Biology", "dev", 2, "Which stage follows the pupa? <image 1>", ["adult", "egg"], "A", cycle),
        row("Biology", "dev", 3, "Name the first stage of <image 1>.", [], "egg", cycle),
        row("Biology", "validation", 1, "What comes before the adult in <image 1>?", ["egg", "X", "pupa", "nothing"], "C", cycle),
        row("Biology", "validation", 2, "How many stages does <image 1> have?", [], "['4', 'four']", cycle),
        row("Biology", "validation", 3, "<image 1> The cycle belongs to", ["a butterfly", "a dog", "an oak"], "A", cycle),
        row("Math", "dev", 1, "What is the slope of f in <image 1>?", ["1", "2", "3"], "B", line),
        row("Math", "dev", 2, "What is f(0)? <image 1>", [], "1", line),
        row("Math", "dev", 3, "Which solid's shadow is <image 1>?", ["a cube", "a ball"], "A", square),
        row("Math", "validation", 1, "What is f(3) in <image 1>?", [], "7", line),
        row("Math", "validation", 2, "Which figure has no corners?", ["<image 1>", "<image 2>"], "B", square, disc),
        row("Math", "validation", 3, "Solve f(x) = 1,001 for f in <image 1>.", [], "500", line),
    ])  # fmt: skip


def many() -> None:
    """ReMI: three of its tasks, with two or three images an item."""
    columns = [f"image_{i}" for i in range(1, 7)]
    items: list[tuple[str, str, SampleRow]] = []

    def add(task: str, question: str, label: str, images: list[Image.Image]) -> None:
        saved = [save(image, f"remi/{task.lower()}_{len(items)}_{i}.png") for i, image in enumerate(images)]
        row = {"task": task, "question": question, "label": label, **dict(zip(columns, [*saved, *[None] * 6], strict=False))}
        items.append(("", "test", row))

    for (h1, m1), (h2, m2) in [
        ((1, 10), (2, 0)),
        ((9, 30), (11, 0)),
        ((3, 0), (3, 35)),
        ((6, 15), (8, 45)),
        ((10, 5), (12, 0)),
        ((4, 20), (7, 20)),
        ((2, 50), (5, 0)),
    ]:
        minutes = 60 * (h2 - h1) + m2 - m1
        add("Clocks", "How many minutes pass from <image1> to <image2>?", str(minutes), [charts.clock(h1, m1), charts.clock(h2, m2)])
    for a, b, factor in [(3, 4, 2), (5, 1, 3), (2, 7, 4), (6, 6, 2), (8, 3, 5), (9, 2, 3), (4, 10, 6)]:
        add(
            "EmojiAlgebra", "Compute <image1> by using <image2> and <image3>.", str(factor * a + b),
            [charts.equation(f"{factor}*A + B = ?"), charts.equation(f"A + 1 = {a + 1}"), charts.equation(f"B - A = {b - a}")]
        )  # fmt: skip
    square = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]
    star = [(0, 1), (0, 2), (0, 3), (0, 4)]
    path = [(0, 1), (1, 2), (2, 3), (3, 4)]
    for one, other, order in [(square, square, (0, 2, 4, 1, 3)), (square, star, (0, 1, 2, 3, 4)), (star, star, (3, 1, 0, 2, 4)), (path, star, (1, 0, 2, 4, 3)),
                              (path, path, (2, 0, 3, 1, 4)), (path, square, (0, 1, 3, 2, 4)), (star, square, (4, 3, 2, 1, 0))]:  # fmt: skip
        add(
            "Isomorphism",
            "<image1><image2>Are the two graphs isomorphic?",
            str(int(one is other)),
            [charts.graph(one), charts.graph(other, order)],
        )
    write("remi", items)


def perception() -> None:
    """BLINK: three of its tasks. One image has a transparent background."""
    cubes = scene("plain", *(Thing("cube", 70 + 60 * i, 200, 40, "orange") for i in range(4)))
    balls = scene("plain", *(Thing("ball", 60 + 55 * i, 200, 36, "teal") for i in range(6)))
    left = ALBUM["orchard"].image
    pieces = [left.crop((192, 144, 384, 288)), ALBUM["street_cars"].image.crop((192, 144, 384, 288))]
    holed = left.copy()
    holed.paste("black", (192, 144, 384, 288))
    clear = scene("plain", Thing("star", 190, 220, 150, "gold")).convert("RGBA")
    clear.putalpha(clear.convert("L").point(lambda light: 0 if light > 250 else 255))
    saved = {
        name: save(image, f"blink/{name}.png")
        for name, image in {"cubes": cubes, "balls": balls, "holed": holed, "first": pieces[0], "second": pieces[1], "clear": clear}.items()
    }
    scenes = {name: {"path": f"scenes/{name}.png"} for name in ALBUM}

    def row(task: str, number: int, question: str, choices: list[str], answer: str, *images: SampleRow) -> tuple[str, str, SampleRow]:
        listed = "\n".join(f"({letter}) {choice}" for letter, choice in zip("ABCD", choices, strict=False))
        columns = dict(zip([f"image_{i}" for i in range(1, 5)], [*images, *[None] * 4], strict=False))
        common = {"idx": f"val_{task}_{number}", "question": question, "sub_task": task, "choices": choices, "answer": answer}
        return task, "val", common | columns | {"prompt": f"{question}\nSelect from the following choices.\n{listed}"}

    jigsaw = "Which one of the second or the third image is the missing corner of the first?"
    pick = ["the second image", "the third image"]
    relation = ["yes", "no"]
    write("blink", [
        row("Counting", 1, "How many cubes are there?", ["3", "4", "5", "6"], "(B)", saved["cubes"]),
        row("Counting", 2, "How many balls are there?", ["7", "5", "6", "4"], "(C)", saved["balls"]),
        row("Counting", 3, "How many stars are there?", ["1", "2"], "(A)", saved["clear"]),
        row("Jigsaw", 1, jigsaw, pick, "(A)", saved["holed"], saved["first"], saved["second"]),
        row("Jigsaw", 2, jigsaw, pick, "(B)", saved["holed"], saved["second"], saved["first"]),
        row("Spatial_Relation", 1, "Is the cat left of the ball?", relation, "(A)", scenes["cat_and_ball"]),
        row("Spatial_Relation", 2, "Is the ball left of the house?", relation, "(B)", scenes["beach_house"]),
        row("Spatial_Relation", 3, "Is the cup between the cats?", relation, "(A)", scenes["two_cats"]),
        row("Spatial_Relation", 4, "Is the kite under the boat?", relation, "(B)", scenes["boat_and_kite"]),
    ])  # fmt: skip


RELATIONS = [
    ("train", "cat_and_ball", [("cat", "to the left of", "ball", True), ("tree", "to the right of", "cat", False)]),
    ("train", "cups_on_table", [("white cup", "on", "table", True), ("red cup", "under", "table", False)]),
    ("train", "lone_car", [("car", "next to", "tree", True), ("car", "in", "tree", False)]),
    ("valid", "beach_house", [("ball", "to the right of", "house", True), ("cone", "on", "house", False)]),
    ("valid", "boat_and_kite", [("kite", "above", "water", True), ("boat", "to the right of", "kite", False)]),
    ("valid", "two_cats", [("cup", "to the right of", "black cat", True), ("black cat", "behind", "brown cat", False)]),
    ("valid", "night_house", [("house", "under", "star", True), ("star", "in front of", "house", False)]),
    ("valid", "orchard", [("ball", "in front of", "tree", True), ("tree", "on", "ball", False)]),
]


def relations() -> None:
    """SpatialSense, in the authors' format without boxes: for each image one true relation, and one that is false but plausible."""
    items = []
    for number, (split, name, stated) in enumerate(RELATIONS):
        annotations = [
            {"_id": f"{number}{place}", "predicate": predicate, "object": {"name": object_}, "subject": {"name": subject}, "label": label}
            for place, (subject, predicate, object_, label) in enumerate(stated)
        ]
        row = {"url": f"{name}.png", "nsid": "", "height": 288, "width": 384, "split": split, "annotations": annotations}
        items.append(("", split, row | {"image": {"path": f"scenes/{name}.png"}}))
    write("spatialsense", items)


def crowds() -> None:
    """CountBenchQA: two to ten things of one kind, among others. The caption holds the number."""
    rows = []
    for count, kind, other in [
        (2, "house", "tree"),
        (3, "car", "ball"),
        (4, "boat", "kite"),
        (5, "star", "ball"),
        (6, "cup", "cube"),
        (7, "ball", "cone"),
        (8, "cone", "ball"),
        (10, "cube", "star"),
    ]:
        wanted = [Thing(kind, 44 + 74 * (i % 5), 110 + 120 * (i // 5), 46 if kind == "car" else 30, "orange") for i in range(count)]
        others = [Thing(other, 60 + 90 * i, 270, 24, "slateblue") for i in range(count % 3)]
        image = save(scene("plain", *wanted, *others), f"crowds/{count:02}.png")
        rows.append(
            {
                "image": image,
                "text": f"A picture of {count} {kind}s",
                "question": f"How many {kind}s are there in the image?",
                "number": count,
            }
        )
    write("countbenchqa", (("", "test", row) for row in rows))


if __name__ == "__main__":
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    for draw in (photographs, documents, infographics, signs, roads, exams, many, diagrams, graphs, perception, relations, crowds):
        draw()
