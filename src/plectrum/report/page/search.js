// Finding a row by its name: a combobox with the rows seen most first.

const N_FOUND = 8;

function findRows(lower, text, most) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const starts = [], holds = [];
  for (let i = 0; i < lower.length && starts.length < most; i++) {
    const at = lower[i].indexOf(wanted);
    if (at === 0) starts.push(i);
    else if (at > 0 && holds.length < most) holds.push(i);
  }
  return starts.concat(holds).slice(0, most);
}

function setUpSearch(input, list, table, onPick) {
  let found = [], active = -1, lower = null;
  const show = () => {
    list.replaceChildren(...found.map((row, i) => {
      const item = el("li", { role: "option", id: `${list.id}-${i}`, "aria-selected": String(i === active) }, el("bdi", {}, cut(table.labels[row], 48)), el("span", { class: "count" }, say(measureAt(table, "count", row))));
      item.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        pick(row);
      });
      return item;
    }));
    if (!found.length && input.value.trim()) list.append(el("li", { class: "muted" }, `no ${table.noun} has this in its name`));
    list.hidden = !list.childElementCount;
    input.setAttribute("aria-expanded", String(!list.hidden));
    if (active >= 0) input.setAttribute("aria-activedescendant", `${list.id}-${active}`);
    else input.removeAttribute("aria-activedescendant");
  };
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
  };
  const pick = (row) => {
    input.value = "";
    found = [];
    close();
    onPick(row);
  };
  input.addEventListener("input", () => {
    lower ??= table.labels.map((label) => label.toLowerCase());
    found = findRows(lower, input.value, N_FOUND);
    active = found.length ? 0 : -1;
    show();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!found.length) return;
      active = (active + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
      show();
    } else if (event.key === "Enter" && active >= 0) pick(found[active]);
    else if (event.key === "Escape") {
      input.value = "";
      found = [];
      close();
    } else return;
    event.preventDefault();
  });
  input.addEventListener("blur", close);
}
