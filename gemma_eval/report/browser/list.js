"use strict";

/* The list of items. Only the rows in sight are elements; a row's height is the style sheet's `--row`. */
class ItemList {
  static MARGIN = 6; // rows beyond either edge

  constructor(box, sizer, choose) {
    this.box = box;
    this.sizer = sizer;
    this.choose = choose;
    this.rows = []; // numbers of items
    this.at = -1; // the chosen row
    box.addEventListener("scroll", () => requestAnimationFrame(() => this.draw()), { passive: true });
    new ResizeObserver(() => this.measure()).observe(box);
    sizer.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) this.choose(this.rows[Number(row.dataset.row)], true);
    });
  }

  show(index, rows) {
    Object.assign(this, { index, rows, at: -1 });
    this.box.hidden = rows.length === 0;
    this.box.scrollTop = 0;
    this.measure();
  }

  measure() {
    this.height = parseFloat(getComputedStyle(this.box).getPropertyValue("--row"));
    this.sizer.style.height = `${this.rows.length * this.height}px`;
    this.draw(true);
  }

  get page() {
    return Math.max(1, Math.floor(this.box.clientHeight / this.height) - 1);
  }

  /* Mark an item as the chosen one and bring it into sight. */
  mark(item) {
    this.at = this.rows.indexOf(item);
    const top = this.at * this.height, bottom = top + this.height;
    if (this.at >= 0 && top < this.box.scrollTop) this.box.scrollTop = top;
    if (this.at >= 0 && bottom > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = bottom - this.box.clientHeight;
    this.draw(true);
  }

  /* Choose the row `step` further on. */
  move(step) {
    if (!this.rows.length) return;
    const to = this.at < 0 ? 0 : Math.min(Math.max(this.at + step, 0), this.rows.length - 1);
    this.choose(this.rows[to], false);
  }

  draw(anew = false) {
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.height) - ItemList.MARGIN);
    const last = Math.min(this.rows.length, first + Math.ceil(this.box.clientHeight / this.height) + 2 * ItemList.MARGIN);
    if (!anew && first === this.first && last === this.last) return;
    Object.assign(this, { first, last });
    const shown = [];
    for (let row = first; row < last; row++) shown.push(this.row(row));
    this.sizer.replaceChildren(...shown);
    const chosen = this.at >= first && this.at < last;
    if (chosen) this.box.setAttribute("aria-activedescendant", `row-${this.at}`);
    else this.box.removeAttribute("aria-activedescendant");
  }

  row(row) {
    const i = this.rows[row], { index } = this;
    const subset = index.subsets[index.subset[i]];
    const made = element(
      "div",
      {
        role: "option",
        id: `row-${row}`,
        "data-row": row,
        "aria-selected": row === this.at ? "true" : "false",
        "aria-setsize": this.rows.length,
        "aria-posinset": row + 1,
      },
      element("span", { class: "marks" }, ...index.runs.map((run) => badge(resultOf(run, i)))),
      inline(index.id[i], "id"),
      inline(subset, "subset"),
      inline(index.head[i], "head"),
    );
    made.style.top = `${row * this.height}px`;
    return made;
  }
}

const SIGNS = { right: "✓", partly: "◐", wrong: "✗", unscored: "–" };

/* A sign for the eye, a word for the ear. */
function badge(result) {
  const word = RESULTS[result].label;
  return element("span", { class: `badge ${result}`, title: word }, element("span", { "aria-hidden": "true" }, SIGNS[result]), hidden(word));
}

function hidden(text) {
  return element("span", { class: "unseen" }, `${text} `);
}
