"use strict";

/* Form, list, item and address, kept in step with one state. */
(async () => {
  const form = document.getElementById("filters");
  const pane = document.getElementById("item");
  const count = document.getElementById("count");
  const list = new ItemList(document.getElementById("rows"), document.getElementById("sizer"), open);
  let state = {}, listed = {}, index = null, turn = 0, writing = 0; // `listed`: the state that the list shows

  const { runs, tasks } = await gemmaEval.load("runs");
  document.title = `Items of ${runs.map((run) => run.name).join(", ")}`;
  document.querySelector("h1").append(...runs.map((run) => element("span", { class: "run" }, inline(run.name), ` ${run.model}`)));
  for (const label of document.querySelectorAll(".several")) label.hidden = runs.length < 2;
  fill(form.task, tasks.map(({ name, card, items }) => [name, `${name}${card && card !== name ? ` · ${card}` : ""} (${items.toLocaleString("en")})`]));
  fill(form.run, runs.map((run, i) => [String(i), run.name]));
  fill(form.against, runs.map((run, i) => [String(i), run.name]));
  fill(form.order, Object.entries(ORDERS));
  addEventListener("hashchange", follow);
  await follow();

  /* -- from the state to the page ------------------------------------------------------------------------ */

  function valid(given) {
    const known = (value, options, otherwise) => (options.includes(value) ? value : otherwise);
    const numbers = runs.map((_, i) => String(i));
    const run = known(given.run, numbers, "0");
    return {
      ...given,
      task: known(given.task, tasks.map((task) => task.name), tasks[0]?.name ?? ""),
      run,
      against: runs.length > 1 ? known(given.against, numbers, run === "0" ? "1" : "0") : "",
      result: known(given.result, Object.keys(RESULTS), ""),
      change: known(given.change, Object.keys(CHANGES), ""),
      order: known(given.order, Object.keys(ORDERS), ""),
    };
  }

  async function show(next) {
    const mine = ++turn;
    state = valid(next);
    if (!state.task) return message("These runs have no answers yet.");
    if (state.task !== listed.task) {
      try {
        const found = await gemmaEval.load(`${state.task}/index`);
        if (mine !== turn) return;
        index = found;
        index.numbers = new Map(index.id.map((id, i) => [id.toWellFormed(), i])); // an address holds no half of a surrogate pair
      } catch (error) {
        return message(error.message);
      }
    }
    if (PARAMETERS.some((name) => name !== "id" && state[name] !== listed[name])) filter();
    await showItem();
  }

  function filter() {
    if (state.subset !== "" && !index.subsets.includes(state.subset)) state.subset = "";
    const found = counts(index, state);
    const counted = (options) => Object.entries(options).filter(([name]) => found[name] || state.result === name || state.change === name)
      .map(([name, { label }]) => [name, `${label} (${(found[name] ?? 0).toLocaleString("en")})`]);
    fill(form.subset, [["", `all ${index.subsets.length > 1 ? index.subsets.length : ""}`], ...index.subsets.filter(Boolean).sort().map((name) => [name, name])]);
    fill(form.result, [["", "all"], ...counted(RESULTS)]);
    fill(form.change, [["", "all"], ...counted(CHANGES)]);
    form.subset.disabled = index.subsets.length < 2;
    for (const name of PARAMETERS) if (form.elements[name] && form.elements[name].value !== state[name]) form.elements[name].value = state[name];
    const rows = select(index, state);
    list.show(index, rows);
    listed = state;
    count.textContent = rows.length === index.id.length
      ? `${rows.length.toLocaleString("en")} items`
      : `${rows.length.toLocaleString("en")} of ${index.id.length.toLocaleString("en")} items`;
    if (runs.length > 1) count.append("; marks: ", ...runs.flatMap((run, i) => [i ? ", " : "", inline(run.name)]));
  }

  async function showItem() {
    const mine = ++turn;
    const number = index.numbers.get(state.id.toWellFormed()) ?? -1;
    list.mark(number);
    document.body.classList.toggle("reading", state.id !== "");
    if (state.id === "") return message("Choose an item.");
    if (number < 0) return message(`${state.task} has no item ${state.id}.`);
    const shard = index.starts.findLastIndex((start) => start <= number);
    try {
      const { items, texts } = await gemmaEval.load(`${state.task}/${String(shard).padStart(3, "0")}`);
      if (mine === turn) render(items[number - index.starts[shard]], texts, number);
    } catch (error) {
      message(error.message);
    }
  }

  function render(item, texts, number) {
    const subset = index.subsets[index.subset[number]];
    const facts = [...(subset ? ["subset ", inline(subset)] : []), ...(item.cluster ? [subset ? ", " : "", "belongs to ", inline(item.cluster.slice(0, 200))] : [])];
    const results = runs.map((run, i) => [badge(resultOf(index.runs[i], number)), ...(runs.length > 1 ? [inline(run.name)] : []), " "]).flat();
    const button = (label, action) => element("button", { type: "button", onclick: action }, label);
    pane.replaceChildren(
      element("nav", { "aria-label": "Items" }, button("Back to the list", close), button("Previous", () => list.move(-1)), button("Next", () => list.move(1))),
      element("h2", {}, `${state.task} `, inline(item.id)),
      element("p", { class: "results" }, ...results),
      element("p", { class: "note" }, ...facts),
      ...itemView(item, texts, runs),
    );
    pane.scrollTop = 0;
    if (matchMedia("(max-width: 50rem)").matches) scrollTo(0, 0);
  }

  function message(text) {
    pane.replaceChildren(note(text));
  }

  /* -- from page and address to the state ---------------------------------------------------------------- */

  function follow() {
    clearTimeout(writing);
    return show(readAddress());
  }

  /* The address lags behind: browsers refuse hundreds of changes in a few seconds, which a key held down makes. */
  function go(changes, entry = "replaceState") {
    clearTimeout(writing);
    const shown = show({ ...state, ...changes });
    writing = setTimeout(() => history[entry](null, "", address(state)), 100);
    return shown;
  }

  /* `read`: move to the item, rather than stay in the list. */
  function open(number, read) {
    const first = state.id === "";
    return go({ id: index.id[number] }, first ? "pushState" : "replaceState").then(() => read && pane.focus({ preventScroll: true }));
  }

  function close() {
    if (matchMedia("(max-width: 50rem)").matches) go({ id: "" });
    list.box.focus();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", ({ target }) => {
    const other = target.name === "task" ? { subset: "", result: "", change: "", id: "" } : {};
    go({ ...other, [target.name]: target.value });
  });

  const KEYS = {
    j: () => list.move(1),
    k: () => list.move(-1),
    "/": () => (form.q.focus(), form.q.select()),
    Escape: close,
  };
  const LIST_KEYS = {
    ArrowDown: () => list.move(1),
    ArrowUp: () => list.move(-1),
    PageDown: () => list.move(list.page),
    PageUp: () => list.move(-list.page),
    Home: () => list.move(-Infinity),
    End: () => list.move(Infinity),
    Enter: () => (list.at < 0 ? list.move(1) : pane.focus()),
  };

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !index) return;
    const typing = event.target.matches?.("input, select, textarea");
    const action = typing ? event.key === "Escape" && close : KEYS[event.key] ?? (event.target === list.box && LIST_KEYS[event.key]);
    if (action) {
      event.preventDefault();
      action();
    }
  });

  function fill(field, options) {
    field.replaceChildren(...options.map(([value, label]) => element("option", { value }, ...visible(label).map((part) => part.textContent ?? part))));
  }
})();
