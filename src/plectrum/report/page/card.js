// The card of one row, and the words that appear beside the pointer.

// An element with attributes and children; text is only ever text.
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const TRUST = [
  ["weak", "do not read meaning here", "Seen fewer than 10 times, or hardly moved from its random start."],
  ["fair", "read with care", "Seen fewer than 50 times, or moved little for this table."],
  ["firm", "well learned", "Seen at least 50 times, and moved as far as others did."],
];

function measureAt(table, name, row) {
  const values = table.measures.get(name);
  return values && row < table.n ? values[row] : NaN;
}

// What the prediction differs by from one row to another, in the target's unit; null where the run does not say.
function effectBetween(table, from, to) {
  const difference = measureAt(table, "effect", to) - measureAt(table, "effect", from);
  return difference === difference ? difference : null;
}

function unitOf(table) {
  return table.unit ? " " + table.unit : "";
}

function drawCard(card, table, row, near, onPick) {
  card.replaceChildren();
  if (row < 0) {
    card.append(el("p", { class: "muted" }, `Pick a ${table.noun} on the map, or find one by name.`));
    return;
  }
  card.append(el("h3", {}, el("bdi", {}, table.labels[row])));
  if (row < table.n) {
    const [kind, words, why] = TRUST[table.trust[row]];
    card.append(el("p", { class: "trust " + kind, title: why }, words));
  } else {
    card.append(el("p", { class: "trust fair" }, table.specials[row - table.n].name === "missing" ? "the vector of a missing value" : `the vector of every ${table.noun} that training never saw`));
  }
  card.append(factsOf(table, row));
  if (near.length) card.append(neighboursOf(table, row, near, onPick));
}

function factsOf(table, row) {
  const facts = el("dl", { class: "facts" });
  const fact = (name, value) => {
    if (value !== null && value !== "–") facts.append(el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  };
  const count = measureAt(table, "count", row), updates = measureAt(table, "n_updates", row);
  fact("seen", count === count ? say(count) + (count === 1 ? " time" : " times") : null);
  fact("moved", sayMoved(measureAt(table, "moved", row), updates));
  fact("length", say(row < table.n ? table.norm[row] : table.specials[row - table.n].norm));
  for (const name of table.measures.keys()) {
    if (["count", "n_updates", "moved", "effect"].includes(name)) continue;
    fact(table.names[name] ?? name, say(measureAt(table, name, row)) + (name === "target_mean" ? unitOf(table) : ""));
  }
  for (const [name, { names, codes }] of table.groups) {
    if (row < table.n && codes[row] !== 255) fact(table.names[name] ?? name, names[codes[row]]);
  }
  const effect = measureAt(table, "effect", row);
  if (effect === effect) fact("effect on the prediction", say(effect, true) + unitOf(table));
  const kept = keptByMap(table, row);
  if (kept !== null) fact("map keeps", `${kept} of its ${table.k} nearest`);
  return facts;
}

function sayMoved(moved, updates) {
  if (moved !== moved) return null;
  return say(moved) + (updates === updates ? ` in ${say(updates)} update${updates === 1 ? "" : "s"}` : "");
}

function neighboursOf(table, row, near, onPick) {
  const withEffect = near.some((found) => effectBetween(table, row, found.row) !== null);
  const body = el("tbody");
  for (const { row: other, score } of near) {
    const button = el("button", { type: "button", class: "pick", title: table.labels[other] }, el("bdi", {}, table.labels[other]));
    button.addEventListener("click", () => onPick(other));
    const bar = el("span", { class: "closeness" });
    bar.style.width = `${Math.round(44 * Math.max(score, 0))}px`;
    body.append(el("tr", {}, el("th", { scope: "row" }, button), el("td", { class: "number cosine" }, bar, score.toFixed(2).replace("-", "−")), el("td", { class: "number" }, say(measureAt(table, "count", other))), withEffect ? el("td", { class: "number" }, say(effectBetween(table, row, other), true)) : null));
  }
  const heads = el("tr", {}, el("th", { scope: "col" }, "nearest"), el("th", { scope: "col", class: "number" }, "cosine"), el("th", { scope: "col", class: "number" }, "seen"), withEffect ? el("th", { scope: "col", class: "number", title: "how the prediction changes from this one to that one" + (table.unit ? ", in " + table.unit : "") }, "change") : null);
  return el("table", { class: "near" }, el("thead", {}, heads), body);
}

// What the tip beside the pointer says of a row, given which one is selected and which colours are on.
function tipOf(table, row, selected, colourBy) {
  const lines = [el("strong", {}, el("bdi", {}, cut(table.labels[row], 60)))];
  const line = (text) => lines.push(el("span", {}, text));
  const count = measureAt(table, "count", row);
  if (count === count) line(`seen ${say(count)} time${count === 1 ? "" : "s"}`);
  const value = measureAt(table, colourBy, row);
  if (colourBy !== "count" && value === value) line(`${table.names[colourBy] ?? colourBy}: ${say(value, colourBy === "effect")}${colourBy === "effect" || colourBy === "target_mean" ? unitOf(table) : ""}`);
  const group = table.groups.get(colourBy);
  if (group && row < table.n && group.codes[row] !== 255) line(`${table.names[colourBy] ?? colourBy}: ${group.names[group.codes[row]]}`);
  const kept = keptByMap(table, row);
  if (kept !== null) line(`map keeps ${kept} of its ${table.k} nearest`);
  if (selected >= 0 && selected !== row) {
    const effect = effectBetween(table, selected, row), from = cut(table.labels[selected], 18), to = cut(table.labels[row], 18);
    line(`cosine to ${ISOLATE}${from}${POP}: ${cosine(table, selected, row).toFixed(2).replace("-", "−")}`);
    if (effect !== null) line(`${ISOLATE}${from}${POP} to ${ISOLATE}${to}${POP}: ${say(effect, true)}${unitOf(table)}`);
  }
  return lines;
}
