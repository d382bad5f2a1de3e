"use strict";

/* One item: what was asked, in the words that were sent, and what each run made of it. */

const KINDS = { template: "template", header: "header", query: "question", reply: "beginning of the answer" };

function itemView(item, texts, runs) {
  const answered = runs.map((run, number) => ({ name: run.name, number, answer: item.runs[number] })).filter((run) => run.answer);
  const parts = [...promptViews(item, texts, answered)];
  for (const [name, value] of item.fields) parts.push(section(name, block(value)));
  if (item.choices.length) parts.push(section("Choices", choiceTable(item, answered)));
  else parts.push(section(item.target.length > 1 ? "Gold answers" : "Gold", ...item.target.map((gold) => block(gold))));
  if (!item.choices.length) parts.push(section("Answers", element("div", { class: "sides" }, ...answered.map(generated))));
  parts.push(section("Scores", scoreTable(answered)));
  for (const run of runs) {
    if (!answered.some(({ name }) => name === run.name)) parts.push(element("p", { class: "note" }, inline(run.name), ": no answer to this item"));
  }
  return parts;
}

function section(title, ...children) {
  return element("section", {}, element("h3", {}, inline(title)), ...children);
}

/* -- the prompt ------------------------------------------------------------------------------------------ */

function promptViews(item, texts, answered) {
  const [first] = answered;
  if (answered.every(({ answer }) => answer.asked === first.answer.asked)) return [promptView("Prompt", item, first.answer, texts)];
  const sides = answered.map(({ name, answer }) => element("div", { class: "side" }, promptView(`Prompt of ${name}`, item, answer, texts)));
  return [note("The runs asked in other words:"), element("div", { class: "sides" }, ...sides)];
}

function promptView(title, item, answer, texts) {
  const { prompt } = answer;
  if (!prompt) {
    return section(`${title.replace("Prompt", "Question")}`, block(item.question), note("The run did not keep its prompts: this is the question alone."));
  }
  const dropped = answer.dropped ? `, ${answer.dropped} exemplars dropped to make it fit` : "";
  const kept = prompt.left_out ? `${prompt.left_out.toLocaleString("en")} characters were not kept` : "text exactly as sent";
  const made = section(title, note(`${prompt.tokens.toLocaleString("en")} tokens, BOS counted${dropped}; ${kept}`));
  const shots = prompt.sections.filter(([kind]) => kind === "exemplar");
  let folded = null;
  for (const [kind, number, text, thumbnail, box] of prompt.sections) {
    const shown = text === null ? image(thumbnail, box) : block(texts[text], kind);
    if (kind === "exemplar") {
      if (!folded) {
        const count = new Set(shots.map(([, shot]) => shot)).size;
        folded = element("details", {}, element("summary", {}, `${count} exemplar${count > 1 ? "s" : ""}`));
        made.append(folded);
      }
      if (Number(folded.dataset.last) !== number) folded.append(element("h4", {}, `Exemplar ${number}`));
      folded.dataset.last = number;
      folded.append(shown);
    } else {
      shown.title = KINDS[kind];
      made.append(shown);
    }
  }
  return made;
}

function image(thumbnail, box) {
  const crop = box.length ? `crop, pixels ${box.join(", ")}` : "";
  if (!thumbnail) return note(`[image${crop && `: ${crop}`}; the run kept no thumbnail of it]`);
  return element("figure", {}, element("img", { src: thumbnail, alt: "image in the prompt", loading: "lazy" }), element("figcaption", {}, crop));
}

function note(text) {
  return element("p", { class: "note" }, text);
}

/* -- answers --------------------------------------------------------------------------------------------- */

function choiceTable(item, answered) {
  const header = element("tr", {}, element("th", { scope: "col" }, "Choice"), ...answered.map(({ name }) => element("th", { scope: "col" }, inline(name))));
  const rows = item.choices.map((choice, i) => {
    const right = i === item.gold;
    const text = element("th", { scope: "row", class: right ? "gold" : null }, block(choice), ...(right ? [tag("gold")] : []));
    return element("tr", {}, text, ...answered.map(({ answer }) => element("td", {}, likelihood(answer, i))));
  });
  const table = element("table", { class: "choices" }, element("thead", {}, header), element("tbody", {}, ...rows));
  return element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Choices with log-probabilities" }, table);
}

/* A bar for the probability among the choices; the sum of token log-probabilities in nats. */
function likelihood(answer, i) {
  const value = answer.logprobs[i];
  const bar = element("div", { class: "bar", "aria-hidden": "true" }, element("div", {}));
  bar.firstChild.style.width = `${100 * share(answer.logprobs, i)}%`;
  const tokens = `${answer.lengths[i]} token${answer.lengths[i] === 1 ? "" : "s"}`;
  const words = value === null ? "not finite" : `${value.toFixed(3)} nats, ${(100 * share(answer.logprobs, i)).toFixed(1)} %, ${tokens}`;
  const tags = [...(answer.picked === i ? [tag("picked")] : []), ...(answer.greedy[i] ? [tag("greedy")] : [])];
  return element("div", {}, bar, element("span", { class: "number" }, words), " ", ...tags);
}

function share(logprobs, i) {
  const finite = logprobs.filter((value) => value !== null);
  if (logprobs[i] === null || !finite.length) return 0;
  const most = Math.max(...finite);
  return Math.exp(logprobs[i] - most) / finite.reduce((sum, value) => sum + Math.exp(value - most), 0);
}

function tag(word) {
  return element("span", { class: `tag ${word}` }, word);
}

function generated({ name, answer }) {
  const made = element("div", { class: "side" }, element("h4", {}, inline(name)));
  answer.texts.forEach((text, i) => {
    const end = { stop: "ended by a stop string", eos: "ended by the model", length: "truncated at the token limit" }[answer.finish[i]];
    made.append(block(text), note(`${answer.tokens[i].toLocaleString("en")} tokens, ${end ?? answer.finish[i]}`));
  });
  if (answer.extracted === null) made.append(element("p", {}, tag("unparsed"), " no answer was found in the text"));
  else if (answer.extracted !== "") made.append(element("p", { class: "note" }, "Extracted"), block(answer.extracted, "extracted"));
  return made;
}

function scoreTable(answered) {
  const names = [...new Set(answered.flatMap(({ answer }) => answer.scores.map(([metric]) => metric)))];
  if (!names.length) return note("Not scored yet.");
  const header = element("tr", {}, element("th", { scope: "col" }, "Metric"), ...answered.map(({ name }) => element("th", { scope: "col" }, inline(name))));
  const rows = names.map((metric) => {
    const values = answered.map(({ answer }) => answer.scores.find(([name]) => name === metric)?.[1]);
    const cells = values.map((value) => element("td", { class: "number" }, value === undefined || value === null ? "" : String(value)));
    return element("tr", {}, element("th", { scope: "row" }, inline(metric)), ...cells);
  });
  return element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Scores" }, element("table", {}, element("thead", {}, header), element("tbody", {}, ...rows)));
}
