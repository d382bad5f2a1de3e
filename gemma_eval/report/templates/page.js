"use strict";

// Tables can be sorted by the buttons in their headers. Without this script they are plain tables.

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function keyOf(row, index) {
  const cell = row.cells[index];
  const text = cell.dataset.sort ?? cell.textContent.trim();
  const number = Number(text);
  return text === "" ? null : Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
}

// Empty cells stay last in either direction.
function sortBy(table, header, index) {
  const descending = header.getAttribute("aria-sort") === "ascending";
  const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, index), row]);
  const filled = rows.filter(([key]) => key !== null).sort(([a], [b]) => (descending ? compare(b, a) : compare(a, b)));
  const empty = rows.filter(([key]) => key === null);
  for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  table.tBodies[0].append(...[...filled, ...empty].map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  const last = table.tHead.rows[table.tHead.rows.length - 1];
  [...last.cells].forEach((header, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortBy(table, header, index));
    header.append(button);
  });
}
