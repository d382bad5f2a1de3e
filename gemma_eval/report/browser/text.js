"use strict";

/* Elements and texts. Texts come from models and data sets: they only ever become text nodes. */

const LONGEST = 4000; // characters shown at once

// What would reorder, hide or break a text: controls, bidirectional marks, invisible breaks, halves of surrogate pairs.
const ODD = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|\p{Surrogate}/gu;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/* Text nodes, with a mark in place of each odd character. */
function visible(text) {
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(ODD)) {
    if (found.index > at) nodes.push(text.slice(at, found.index));
    const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    nodes.push(element("span", { class: "odd", title: "a character that cannot be seen, by its code" }, `U+${code}`));
    at = found.index + found[0].length;
  }
  if (at < text.length) nodes.push(text.slice(at));
  return nodes;
}

/* One line or word among others, whatever direction it is written in. */
function inline(text, className) {
  return element("bdi", { class: className }, ...visible(text));
}

/* A text of its own, as it stands; the rest of a giant one on demand. */
function block(text, className = "") {
  const made = element("div", { class: `text ${className}`, dir: "auto" });
  if (text === "") {
    made.append(element("span", { class: "note" }, "(empty)"));
  } else if (text.length <= LONGEST) {
    made.append(...visible(text));
  } else {
    const all = () => made.replaceChildren(...visible(text));
    const rest = element("button", { type: "button", onclick: all }, `Show all ${text.length.toLocaleString("en")} characters`);
    made.append(...visible(text.slice(0, LONGEST)), element("span", { class: "note" }, " ... "), rest);
  }
  return made;
}
