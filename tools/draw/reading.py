# ruff: noqa: E501 - tables of data
"""Samples whose images hold text to read: pages, posters, signs, diagrams and charts."""

from __future__ import annotations

from tools.draw import charts, papers
from tools.draw.files import save, votes, write

PAGES: list[tuple[str, list[str], list[tuple[str, list[str]]]]] = [
    ("HARBOUR LOG", ["Date: 14 March 1962", "Vessel|Berth|Tons", "Aurora|4|1,250", "Petrel|7|980", "Signed: T. Okafor"],
     [("How many tons did the Aurora carry?", ["1,250", "1250"]), ("Who signed the log?", ["T. Okafor"])]),
    ("INVOICE No. 20-417", ["To: Lindgren & Sons", "Item|Qty|Price", "Lamp oil|12|$4.50", "Rope 20m|3|$11.00", "Total due|| $87.00"],
     [("What is the total due?", ["$87.00", "87.00"]), ("What is the invoice number?", ["20-417"])]),
    ("MEMORANDUM", ["FROM: Dr. H. Vale", "TO: All staff", "RE: Greenhouse keys", "The keys are kept at", "the porter's desk until 6:30 p.m."],
     [("What is the memorandum about?", ["Greenhouse keys"]), ("Until when are the keys at the desk?", ["6:30 p.m.", "6:30 pm"])]),
    ("CLINIC SCHEDULE", ["Day|Doctor|Room", "Monday|Ruiz|12", "Tuesday|Abe|7", "Friday|Ruiz|3", "Phone 555-0142"],
     [("Which doctor is in on Tuesday?", ["Abe"]), ("What is the phone number?", ["555-0142"])]),
    ("FIELD NOTES", ["Site: North dune", "Rainfall 3.2 mm", "Birds seen: 41 (terns)", "Wind: W, 12 knots", "Observer: Ines Prado"],
     [("How much rain fell?", ["3.2 mm", "3.2mm"]), ("Which birds were seen?", ["terns", "Terns"])]),
    ("MENU", ["Soup of the day|2.80", "Lentil stew|6.20", "Pear tart|3.90", "Service is included", "Closed on Sundays"],
     [("What does the pear tart cost?", ["3.90"]), ("On which day is it closed?", ["Sundays", "Sunday"])]),
    ("BOARD MINUTES", ["Present: 9 of 11 members", "1. Budget approved 7-2", "2. Well to be dug by June", "Next meeting: 3 May"],
     [("How many members were present?", ["9", "nine"]), ("When is the next meeting?", ["3 May", "May 3"])]),
    ("RAIL TICKET", ["From Brenn to Alstadt", "Class 2   Seat 14C", "Depart 07:45", "Fare 18.60"],
     [("Where does the train go?", ["Alstadt"]), ("Which seat is it?", ["14C"])]),
]  # fmt: skip


def documents() -> None:
    """DocVQA: scanned pages."""
    rows = []
    for number, (title, lines, questions) in enumerate(PAGES):
        image = papers.scanned(papers.page(title, lines, height=260), seed=number, angle=(number % 3 - 1) * 1.2)
        image_file = save(image, f"pages/{title.split()[0].lower()}.jpg", quality=45)
        rows += [
            {
                "questionId": str(100 * number + place), "question": question, "question_types": ["form"], "image": image_file, "docId": number,
                "ucsf_document_id": f"page{number:04}", "ucsf_document_page_no": "1", "answers": answers, "data_split": "val"
            }
            for place, (question, answers) in enumerate(questions)
        ]  # fmt: skip
    write("docvqa", (("DocVQA", "validation", row) for row in rows))


POSTERS: list[tuple[str, str, list[tuple[str, str]], list[tuple[str, list[str]]]]] = [
    ("Water at home", "steelblue", [("62 L", "go into one shower"), ("9 L", "flush a toilet once"), ("1 in 5", "taps in town drip")],
     [("How much water does one shower take?", ["62 L", "62 l", "62 litres"]), ("What share of taps drips?", ["1 in 5"])]),
    ("City bees", "darkorange", [("340", "hives on rooftops"), ("27%", "more honey than in 2019"), ("May", "is the busiest month")],
     [("How many hives stand on rooftops?", ["340"]), ("Which month is the busiest?", ["May"])]),
    ("Night trains", "indigo", [("48", "lines across 11 countries"), ("-71%", "carbon against flying"), ("22:40", "is the usual departure")],
     [("How many countries do the lines cross?", ["11"]), ("When do they usually leave?", ["22:40"])]),
    ("Bread", "sienna", [("4", "things: flour, water, salt, yeast"), ("36 h", "for a slow dough"), ("230 °C", "in the oven")],
     [("How hot is the oven?", ["230 °C", "230°C"]), ("How long does a slow dough take?", ["36 h", "36 hours"])]),
    ("Libraries", "seagreen", [("1.4 M", "loans last year"), ("Tuesday", "is the quietest day"), ("63%", "of readers come weekly")],
     [("How many loans were there last year?", ["1.4 M", "1.4 million"]), ("What share of readers comes weekly?", ["63%"])]),
    ("Tides", "teal", [("12.4 m", "highest, at Port Sable"), ("2", "high tides a day"), ("18.6 y", "between extremes")],
     [("Where is the highest tide?", ["Port Sable"]), ("How many high tides are there a day?", ["2"])]),
    ("Cycling", "firebrick", [("8 km", "is the mean way to work"), ("71", "new racks in 2024"), ("Lena", "is the safest street")],
     [("Which street is the safest?", ["Lena"]), ("How many racks are new?", ["71"])]),
    ("Glaciers", "slategray", [("31 m", "lost each year since 2001"), ("7 of 9", "valley ice fields shrink"), ("2,940 m", "is the snow line")],
     [("At what height is the snow line?", ["2,940 m", "2940 m"]), ("Since which year are losses counted?", ["2001"])]),
]  # fmt: skip


def infographics() -> None:
    """InfographicVQA: posters."""
    rows = []
    for number, (title, colour, facts, questions) in enumerate(POSTERS):
        image_file = save(papers.poster(title, facts, colour), f"posters/{title.split()[0].lower()}.png")
        rows += [
            {
                "questionId": str(60000 + 10 * number + place), "question": question, "answers": answers, "answer_type": ["single span"],
                "image": image_file, "image_url": f"poster{number}.png", "operation/reasoning": [], "ocr": "", "data_split": "val"
            }
            for place, (question, answers) in enumerate(questions)
        ]  # fmt: skip
    write("infovqa", (("InfographicVQA", "validation", row) for row in rows))


SIGNS = [
    ("BAKERY\nopen till 7", "cornsilk", "brown", "What kind of shop is this?", "bakery*9|bread shop"),
    ("EXIT 23B", "darkgreen", "white", "What exit is this?", "23b*8|23*2"),
    ("Lot's End\n4 mi", "white", "black", "How far is lot's end?", "4 mi*5|4 miles*5"),
    ("SALE 50%", "crimson", "white", "How big is the discount?", "50%*10"),
    ("PLATFORM 9", "navy", "white", "Which platform is this?", "9*6|platform 9*4"),
    ("No parking\n8-18 h", "white", "red", "What is not allowed?", "parking*10"),
    ("CAFÉ RÍO", "gold", "black", "What is the name of the cafe?", "café río*6|cafe rio*4"),
    ("Pop. 1,204", "green", "white", "What is the population?", "1204*6|1,204*4"),
    ("STOP", "red", "white", "What does the sign say?", "stop*10"),
    ("A. NOVAK\ndentist", "white", "teal", "What is a. novak's job?", "dentist*9|doctor"),
    ("DEEP WATER", "gold", "black", "What is deep?", "water*9|the water"),
    ("No. 10", "white", "black", "What number is shown?", "10*8|ten*2"),
    ("TEA & SCONES", "mintcream", "black", "What is served besides tea?", "scones*9|scone"),
]


def signs() -> None:
    """TextVQA: signs."""
    items = []
    for number, (text, ground, ink, question, answers) in enumerate(SIGNS):
        image_file = save(papers.sign(text, ground, ink), f"signs/{number:02}.png")
        row = {
            "image_id": f"drawn{number:04}", "question_id": 35000 + number, "question": question, "question_tokens": question.split(),
            "image": image_file, "image_width": 384, "image_height": 288, "image_classes": ["Sign"], "answers": votes(answers),
            "set_name": "train" if number < 5 else "val", "ocr_tokens": text.split()
        }  # fmt: skip
        items.append(("", "train" if number < 5 else "validation", row))
    write("textvqa", items)


CYCLES = [
    (["rain", "river", "sea", "cloud"], "water"), (["seed", "sprout", "plant", "flower"], "plant"), (["egg", "tadpole", "froglet", "frog"], "frog"),
    (["grass", "hare", "fox", "soil"], "food"), (["spring", "summer", "autumn", "winter"], "year"), (["new", "crescent", "half", "full"], "moon"),
    (["magma", "lava", "rock", "sand"], "rock"), (["leaf", "worm", "bird", "hawk"], "chain"),
]  # fmt: skip


def diagrams() -> None:
    """AI2D: cycles. In half of them, letters stand in place of the labels."""
    rows = []
    for number, (labels, name) in enumerate(CYCLES):
        letters = [*"ABCD"[number // 2 :], *"ABCD"[: number // 2]]  # as in AI2D, where letters replace the labels
        drawn_labels = letters if number % 2 else labels
        image_file = save(charts.flow(drawn_labels), f"diagrams/{name}.png")
        for place in (0, 2):
            options = drawn_labels[1:] + drawn_labels[:1]
            following = drawn_labels[(place + 1) % 4]
            rows.append(
                {
                    "question": f"What follows {drawn_labels[place]}?",
                    "options": options,
                    "answer": str(options.index(following)),
                    "image": image_file,
                }
            )
    write("ai2d", (("", "test", row) for row in rows))


def graphs() -> None:
    """ChartQA: charts."""
    charts_by_name = {
        "fruit": charts.bars("Fruit sold", {"apple": 120, "plum": 75, "fig": 30}),
        "towns": charts.lines("Towns (thousands)", [2000, 2010, 2020], {"Arn": [10, 14, 19], "Bel": [12, 12, 11]}),
        "heat": charts.pie("How homes are heated", {"gas": 45, "oil": 25, "wood": 30}),
        "rent": charts.bars("Rent a month", {"Oss": 1250, "Pim": 980, "Rua": 1410}, "${:,}"),
        "rate": charts.lines("Rate", [1, 2, 3, 4], {"x": [0.5, 0.25, 0.0, -0.5]}),
    }
    saved = {name: save(image, f"charts/{name}.png") for name, image in charts_by_name.items()}
    asked = [
        ("train", "fruit", "How many plums were sold?", "75", 1), ("train", "fruit", "Which fruit was sold most?", "apple", 0),
        ("train", "rate", "What is the rate at 2?", "0.25", 1), ("train", "rate", "Is the rate ever negative?", "Yes", 0),
        ("train", "rate", "What is the rate at 1?", "0.5", 1),
        ("val", "towns", "What was Arn's population in 2020?", "19", 1), ("val", "towns", "In which year was Bel larger than Arn?", "2000", 0),
        ("val", "towns", "By how much did Arn grow from 2000 to 2020?", "9", 0), ("val", "heat", "What percentage of homes is heated with gas?", "45", 1),
        ("val", "heat", "What is the share of oil and wood together?", "0.55", 0), ("val", "rent", "What is the rent in Pim?", "980", 1),
        ("val", "rent", "Which town is dearest?", "Rua", 0), ("val", "rent", "What is the rent in Oss?", "1250", 1), ("val", "heat", "What is wood's share?", "30", 1),
    ]  # fmt: skip
    write(
        "chartqa",
        (("", split, {"image": saved[name], "query": q, "label": [a], "human_or_machine": half}) for split, name, q, a, half in asked),
    )
