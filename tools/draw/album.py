"""The scenes that stand in for COCO's photographs, with captions, questions and answers."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from tools.draw.scenes import Thing, scene


@dataclass(frozen=True)
class AlbumScene:
    """A scene with its captions and questions. Answers are written as `files.votes` reads them.

    `vqa`: (question, kind of answer, answers). `okvqa`: (question, answers). `counts`: (question, answer, whether it is simple).
    """

    image: Image.Image
    captions: tuple[str, ...]
    vqa: tuple[tuple[str, str, str], ...] = ()
    okvqa: tuple[tuple[str, str], ...] = ()
    counts: tuple[tuple[str, int, bool], ...] = ()


ALBUM = {
    "cat_and_ball": AlbumScene(
        scene("park", Thing("tree", 70, 210, 110, "seagreen"), Thing("cat", 190, 250, 70, "gray"), Thing("ball", 310, 255, 34)),
        (
            "A gray cat looks at a red ball in a park.",
            "A cat stands on the grass next to a ball.",
            "A cat and a red ball near a tree.",
            "There's a cat playing with a ball on the lawn.",
            "A gray cat, a tree and a ball on green grass.",
        ),
        (("What color is the ball?", "other", "red*9|dark red"), ("Is the cat sleeping?", "yes/no", "no*10")),
        (
            ("What small rodent do animals like this hunt?", "mouse*6|mice*2|rat*2"),
            ("What does this animal drink from a bowl?", "milk*8|water*2"),
        ),
        (("How many cats are there?", 1, True), ("How many balls are in the air?", 0, False)),
    ),
    "three_boats": AlbumScene(
        scene("sea", Thing("boat", 70, 200, 60, "firebrick"), Thing("boat", 190, 215, 80, "gold"), Thing("boat", 320, 205, 60, "white")),
        (
            "Three sailboats on calm blue water.",
            "Three boats of different colors sail on the sea.",
            "Sailboats float on the water under a blue sky.",
            "A red, a yellow and a white boat out at sea.",
            "Three small boats sailing in a row.",
        ),
        (("How many boats are there?", "number", "3*8|three*2"), ("Is it night?", "yes/no", "no*10")),
        (("What drives these vehicles?", "wind*10"), ("What salty body of water is this?", "ocean*6|sea*4")),
        (("How many boats are there?", 3, True), ("How many boats have a yellow hull?", 1, False)),
    ),
    "street_cars": AlbumScene(
        scene(
            "street", Thing("house", 80, 180, 80, "beige"), Thing("car", 110, 260, 60, "royalblue"), Thing("car", 280, 262, 60, "orange")
        ),
        (
            "Two cars drive past a house.",
            "A blue car and an orange car on a gray street.",
            "Two parked cars in front of a small house.",
            "An orange car and a blue car on the road.",
            "A house with two cars on the street before it.",
        ),
        (("How many cars are on the street?", "number", "2*10"), ("What color is the car on the left?", "other", "blue*10")),
        (("What liquid do these vehicles burn?", "gasoline*4|gas*4|petrol*2"), ("What do you need to drive one of these?", "license*10")),
        (("How many cars are there?", 2, True), ("How many wheels can be seen on the orange car?", 2, False)),
    ),
    "kites": AlbumScene(
        scene(
            "beach",
            Thing("kite", 60, 90, 60, "magenta"),
            Thing("kite", 150, 70, 50, "lime"),
            Thing("kite", 230, 110, 60, "yellow"),
            Thing("kite", 330, 80, 56),
        ),
        (
            "Four kites fly over a sandy beach.",
            "Colorful kites in the sky above the sand.",
            "Kites of four colors high over the beach.",
            "Four kites in a clear sky.",
            "A beach with several kites flying in the wind.",
        ),
        (("Is it windy?", "yes/no", "yes*9|probably"), ("How many kites are flying?", "number", "4*10")),
        (("What weather do you need for this hobby?", "windy*5|wind*5"), ("What holds these toys?", "string*10")),
        (("How many kites are there?", 4, True), ("How many kites are green?", 1, False)),
    ),
    "cups_on_table": AlbumScene(
        scene(
            "room",
            Thing("table", 190, 260, 130, "peru"),
            Thing("cup", 130, 157, 46, "white"),
            Thing("cup", 195, 157, 46, "teal"),
            Thing("cup", 255, 157, 46),
        ),
        (
            "Three cups stand on a wooden table.",
            "A table with a white, a green and a red cup on it.",
            "Three mugs in a row on a brown table.",
            "A wooden table holding three colored cups.",
            "Three coffee cups on a table in a room.",
        ),
        (("What is the table made of?", "other", "wood*9|metal"), ("Are there cups on the table?", "yes/no", "yes*10")),
        (
            ("What hot drink is often in these?", "coffee*7|tea*3"),
            ("What room is this furniture often found in?", "kitchen*6|dining room*4"),
        ),
        (("How many cups are on the table?", 3, True), ("How many cups are neither red nor white?", 1, False)),
    ),
    "night_house": AlbumScene(
        scene(
            "night",
            Thing("house", 200, 240, 110, "darkkhaki"),
            Thing("star", 60, 60, 26, "gold"),
            Thing("star", 140, 40, 20, "gold"),
            Thing("star", 320, 70, 24, "gold"),
        ),
        (
            "A house under three stars at night.",
            "A small house in the dark with stars above it.",
            "Stars shine over a lonely house.",
            "A cottage at night beneath a starry sky.",
            "A house stands in the dark under the stars.",
        ),
        (("Is it day or night?", "other", "night*10"), ("How many stars are in the sky?", "number", "3*10")),
        (("What gives light in the sky at this time?", "stars*5|moon*5"), ("What animal calls at this time of day?", "owl*10")),
        (("How many stars are there?", 3, True), ("How many stars are right of the house's roof?", 1, False)),
    ),
    "orchard": AlbumScene(
        scene(
            "park",
            *(Thing("tree", 50 + 70 * i, 200 + 12 * (i % 2), 90, "forestgreen") for i in range(5)),
            Thing("ball", 200, 268, 22, "gold"),
        ),
        (
            "Five trees in a row on a green field.",
            "A row of trees with a yellow ball in front.",
            "Green trees stand on the grass.",
            "A yellow ball lies before five trees.",
            "An orchard of five green trees.",
        ),
        (("What color is the ball?", "other", "yellow*8|gold*2"), ("Are the trees bare?", "yes/no", "no*10")),
        (("What fruit may grow here?", "apple*5|apples*3|cherry*2"), ("What season is it?", "summer*9|spring")),
        (("How many trees are there?", 5, True), ("How many trees are behind the ball?", 1, False)),
    ),
    "two_cats": AlbumScene(
        scene("room", Thing("cat", 110, 255, 80, "black"), Thing("cat", 270, 255, 80, "sandybrown"), Thing("cup", 190, 262, 40, "skyblue")),
        (
            "A black cat and a brown cat in a room.",
            "Two cats on the floor with a cup between them.",
            "Two cats sit beside a blue cup.",
            "A blue cup stands between two cats.",
            "A pair of cats indoors.",
        ),
        (("What is between the cats?", "other", "cup*8|mug*2"), ("How many animals are there?", "number", "2*10")),
        (("What sound do these animals make?", "meow*10"), ("What family of animals are these?", "feline*6|cat*4")),
        (("How many cats are there?", 2, True), ("How many cats are not black?", 1, False)),
    ),
    "beach_house": AlbumScene(
        scene("beach", Thing("house", 90, 230, 90, "white"), Thing("ball", 250, 260, 40, "orange"), Thing("cone", 330, 250, 46, "orchid")),
        (
            "A white house on a beach with a ball.",
            "A beach house, an orange ball and a purple cone on the sand.",
            "An orange ball lies in front of a white house.",
            "A house stands on yellow sand.",
            "A ball and a cone on the beach beside a house.",
        ),
    ),
    "cubes": AlbumScene(
        scene("room", *(Thing("cube", 80 + 75 * i, 250, 46, c) for i, c in enumerate(("red", "green", "blue", "yellow")))),
        (
            "Four colored cubes in a row on the floor.",
            "A red, a green, a blue and a yellow block.",
            "Toy blocks of four colors in a line.",
            "Four blocks stand side by side.",
            "Colorful cubes on a wooden floor.",
        ),
    ),
    "lone_car": AlbumScene(
        scene("night", Thing("car", 190, 255, 80, "silver"), Thing("tree", 330, 220, 100, "darkolivegreen")),
        (
            "A silver car beside a tree at night.",
            "A car parked in the dark under a tree.",
            "A gray car on a dark road.",
            "A car stands near a tree after sunset.",
            "One silver car at night.",
        ),
    ),
    "boat_and_kite": AlbumScene(
        scene("sea", Thing("boat", 130, 215, 90, "saddlebrown"), Thing("kite", 290, 100, 70, "crimson")),
        (
            "A sailboat on the water and a red kite in the air.",
            "A red kite flies over the sea next to a boat.",
            "A brown boat with a white sail, and a kite.",
            "A kite above the water beside a sailing boat.",
            "A boat sails while a kite flies.",
        ),
    ),
}
