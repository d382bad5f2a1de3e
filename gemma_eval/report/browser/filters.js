"use strict";

/* What of a task is shown: chosen in the form, kept in the address. */

const UNPARSED = 1, TRUNCATED = 2, EMPTY = 4, DROPPED = 8; // as items.py writes them

const flagged = (flag) => (run, i) => (run.flags[i] & flag) !== 0;

const RESULTS = {
  right: { label: "right", test: (run, i) => run.score[i] >= 1 },
  partly: { label: "partly right", test: (run, i) => run.score[i] > 0 && run.score[i] < 1 },
  wrong: { label: "wrong", test: (run, i) => run.score[i] !== null && run.score[i] <= 0 },
  unparsed: { label: "unparsed", test: flagged(UNPARSED) },
  truncated: { label: "truncated", test: flagged(TRUNCATED) },
  empty: { label: "empty", test: flagged(EMPTY) },
  dropped: { label: "exemplars dropped", test: flagged(DROPPED) },
  unscored: { label: "no score", test: (run, i) => run.score[i] === null },
};

// From the run `b` is set against, to the run chosen.
const CHANGES = {
  answer: { label: "another answer", test: (a, b, i) => a.answer[i] !== b.answer[i] },
  gained: { label: "gained", test: (a, b, i) => both(a, b, i) && a.score[i] > b.score[i] },
  lost: { label: "lost", test: (a, b, i) => both(a, b, i) && a.score[i] < b.score[i] },
};

const both = (a, b, i) => a.score[i] !== null && b.score[i] !== null;

const ORDERS = { "": "as asked", low: "lowest score first", high: "highest score first" };

const PARAMETERS = ["task", "subset", "run", "result", "against", "change", "order", "q", "id"];

/* Parameters of an address such as #task=mmlu&result=wrong&id=12. */
function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(PARAMETERS.map((name) => [name, given.get(name) ?? ""]));
}

function address(state) {
  return "#" + new URLSearchParams(PARAMETERS.filter((name) => state[name] !== "").map((name) => [name, state[name]]));
}

/* Numbers of the items that pass, in order. `index`: the task's columns. */
function select(index, state) {
  const run = index.runs[state.run], other = index.runs[state.against];
  const subset = state.subset === "" ? -1 : index.subsets.indexOf(state.subset);
  const result = RESULTS[state.result]?.test, change = other && CHANGES[state.change]?.test;
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = [];
  for (let i = 0; i < index.id.length; i++) {
    if (state.subset !== "" && index.subset[i] !== subset) continue;
    if (result && !result(run, i)) continue;
    if (change && !change(run, other, i)) continue;
    if (words.length && !words.every((word) => searchable(index, i).includes(word))) continue;
    kept.push(i);
  }
  if (state.order in ORDERS && state.order) {
    const sign = state.order === "low" ? 1 : -1;
    const rank = (i) => (run.score[i] === null ? Infinity : sign * run.score[i]);
    kept.sort((a, b) => (rank(a) === rank(b) ? a - b : rank(a) - rank(b)));
  }
  return kept;
}

function searchable(index, i) {
  index.lower ??= new Array(index.id.length);
  return (index.lower[i] ??= `${index.id[i]} ${index.head[i]}`.toLowerCase());
}

/* How often each result and change occurs in the task or its subset. */
function counts(index, state) {
  const run = index.runs[state.run], other = index.runs[state.against];
  const subset = index.subsets.indexOf(state.subset);
  const found = {};
  for (let i = 0; i < index.id.length; i++) {
    if (state.subset !== "" && index.subset[i] !== subset) continue;
    for (const [name, { test }] of Object.entries(RESULTS)) if (test(run, i)) found[name] = (found[name] ?? 0) + 1;
    for (const [name, { test }] of Object.entries(CHANGES)) if (other && test(run, other, i)) found[name] = (found[name] ?? 0) + 1;
  }
  return found;
}

/* The first name that fits: an item is one of right, partly right, wrong or without a score. */
function resultOf(run, i) {
  return ["right", "partly", "wrong", "unscored"].find((name) => RESULTS[name].test(run, i));
}
