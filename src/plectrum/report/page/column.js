// One table's section brought to life: controls, pointer, keys, film.

const FILM_SECONDS = 6;

class Column {
  constructor(section) {
    this.section = section;
    this.find = (selector) => section.querySelector(selector);
  }

  async start() {
    const packed = this.find('script[type="text/plain"]');
    this.table = await unpack(packed.textContent);
    packed.remove();
    this.view = new MapView(this.find("canvas"), this.table);
    this.setUpChoices();
    this.setUpPointer();
    this.setUpKeys();
    if (this.table.film) this.setUpFilm();
    setUpSearch(this.find(".search input"), this.find(".search ul"), this.table, (row) => this.pick(row, true));
    new ResizeObserver(() => this.view.resize()).observe(this.find(".map"));
    this.recolour();
    this.view.resize();
    this.pick(this.table.n ? 0 : -1, false);
    this.section.dataset.ready = "yes";
  }

  setUpChoices() {
    const { table } = this, name = (key) => table.names[key] ?? key;
    const colour = this.find(".colour"), size = this.find(".size");
    const measures = [...table.measures.keys()].filter((key) => key !== "n_updates");
    for (const key of measures.concat([...table.groups.keys()])) colour.append(new Option(name(key), key));
    if (table.kept && table.kept.some((kept) => kept !== 255)) colour.append(new Option("neighbours the map keeps", "kept"));
    colour.append(new Option("one colour", ""));
    for (const key of measures.filter((key) => table.measures.get(key).every((v) => !(v < 0)))) size.append(new Option(name(key), key));
    size.append(new Option("one size", ""));
    colour.value = ["effect", "target_mean"].find((key) => table.measures.has(key)) ?? [...table.groups.keys()][0] ?? (table.measures.has("count") ? "count" : "");
    size.value = table.measures.has("count") ? "count" : "";
    colour.addEventListener("change", () => this.recolour());
    size.addEventListener("change", () => this.recolour());
    for (const button of this.section.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.zoom(button.dataset.zoom));
    }
  }

  recolour() {
    const { table, view } = this, colour = this.find(".colour"), size = this.find(".size");
    const scale = scaleOf(table, colour.value);
    view.setColours(scale);
    view.setSizes(table.measures.get(size.value) ?? null);
    const chosen = (select) => select.selectedOptions[0]?.textContent ?? "";
    drawLegend(this.find(".legend"), table, scale, chosen(colour), size.value ? chosen(size) : "", view);
    view.draw();
  }

  zoom(how) {
    if (how === "all") this.view.fit();
    else this.view.zoomBy(how === "in" ? 1.5 : 1 / 1.5);
  }

  pick(row, reveal) {
    this.view.hovered = -1;  // what the tip says compares with the row that was selected before
    this.find(".tip").hidden = true;
    this.view.select(row);
    if (reveal && row >= 0) this.view.reveal(row);
    drawCard(this.find(".card"), this.table, row, this.view.near, (other) => this.pick(other, true));
  }

  // ------------------------------------------------------------------ pointer

  setUpPointer() {
    const canvas = this.find("canvas"), pointers = new Map();
    let travelled = 0;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      pointers.set(event.pointerId, at(event));
      canvas.setPointerCapture(event.pointerId);
      travelled = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const now = at(event), before = pointers.get(event.pointerId);
      if (!before) return this.hover(now);
      const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
      travelled += Math.abs(dx) + Math.abs(dy);
      if (pointers.size === 2) {
        const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
        const was = Math.hypot(before[0] - other[0], before[1] - other[1]), is = Math.hypot(now[0] - other[0], now[1] - other[1]);
        this.view.zoomBy(is / (was || 1), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      } else if (travelled > 4 && event.pointerType !== "touch") {
        this.hover(null);
        this.view.panBy(dx, dy);
      }
      pointers.set(event.pointerId, now);
    });
    const release = (event) => {
      if (pointers.delete(event.pointerId) && event.type === "pointerup" && travelled <= 4) {
        const row = this.view.rowAt(...at(event), event.pointerType === "touch" ? 24 : 12);
        if (row >= 0) this.pick(row, false);
      }
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => this.hover(null));
    canvas.addEventListener("dblclick", (event) => this.view.zoomBy(2, ...at(event)));
    // The wheel scrolls the page, as everywhere, until the map has been clicked or Ctrl is held.
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
      event.preventDefault();
      this.view.zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015) * (event.ctrlKey ? 3 : 1)), ...at(event));
    }, { passive: false });
  }

  hover(point) {
    const { view } = this, tip = this.find(".tip"), row = point ? view.rowAt(...point) : -1;
    if (row !== view.hovered) {
      view.hovered = row;
      view.draw();
      if (row >= 0) tip.replaceChildren(...tipOf(this.table, row, view.selected, this.find(".colour").value));
    }
    tip.hidden = row < 0;
    this.find("canvas").classList.toggle("over", row >= 0);
    if (row < 0) return;
    const x = view.xs[row], y = view.ys[row], w = tip.offsetWidth, h = tip.offsetHeight;
    const fits = x + 16 + w < view.width ? x + 16 : x - 16 - w;
    const beside = fits >= 4;  // else above or below, so that the row itself is seen
    const left = beside ? fits : Math.min(Math.max(4, x - w / 2), Math.max(4, view.width - w - 4));
    const aside = y + 18 + h < view.height ? y + 18 : y - 18 - h;
    const top = Math.min(Math.max(4, beside ? y - h / 2 : aside), Math.max(4, view.height - h - 4));
    tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  // ------------------------------------------------------------------ keys

  setUpKeys() {
    const canvas = this.find("canvas"), ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const keys = {
      "+": () => this.zoom("in"), "=": () => this.zoom("in"), "-": () => this.zoom("out"), "0": () => this.zoom("all"),
      "/": () => this.find(".search input").focus(),
      " ": () => this.table.film && this.play(),
      "[": () => this.table.film && this.seek(Math.ceil(this.view.frame) - 1),
      "]": () => this.table.film && this.seek(Math.floor(this.view.frame) + 1),
      "n": () => this.view.near.length && this.pick(this.view.near[0].row, true),
      "Escape": () => this.pick(-1, false),
    };
    canvas.addEventListener("keydown", (event) => {
      const way = ways[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (way && event.shiftKey) this.view.panBy(-60 * way[0], -60 * way[1]);
      else if (way) {
        const row = this.view.selected < 0 ? 0 : this.view.rowBeside(this.view.selected, ...way);
        if (row >= 0) this.pick(row, true);
      } else if (keys[event.key]) keys[event.key]();
      else return;
      event.preventDefault();
    });
  }

  // ------------------------------------------------------------------ film

  setUpFilm() {
    this.find(".play").addEventListener("click", () => this.play());
    this.find(".scrub").addEventListener("input", (event) => {
      this.stop();
      this.seek(Number(event.target.value));
    });
    this.find(".scrub").addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (!step) return;
      this.stop();
      this.seek(Math.round(this.view.frame + step));
      event.preventDefault();
    });
    this.seek(this.table.film.last);
  }

  seek(frame) {
    const { film, epochs } = this.table, scrub = this.find(".scrub");
    this.view.frame = Math.min(Math.max(frame, 0), film.last);
    scrub.value = String(this.view.frame);
    const epoch = epochs[Math.round(this.view.frame)], final = epochs.filter((e) => e !== null).at(-1);
    const words = epoch === null ? "the kept table" : this.view.frame < 0.5 ? "random start" : `epoch ${say(Math.round(10 * epoch) / 10)} of ${say(Math.round(10 * final) / 10)}`;
    this.find(".film output").textContent = words;
    scrub.setAttribute("aria-valuetext", words);
    this.view.draw();
  }

  play() {
    if (this.playing) return this.stop();
    const { film } = this.table, button = this.find(".play");
    let frame = this.view.frame >= film.last ? 0 : this.view.frame, before = null;
    button.textContent = "❚❚";
    button.setAttribute("aria-label", "Pause");
    const tick = (now) => {
      frame += before === null ? 0 : ((now - before) / 1000 / FILM_SECONDS) * film.last;
      before = now;
      this.seek(frame);
      if (frame < film.last) this.playing = requestAnimationFrame(tick);
      else this.stop();
    };
    this.playing = requestAnimationFrame(tick);
  }

  stop() {
    cancelAnimationFrame(this.playing);
    this.playing = 0;
    this.find(".play").textContent = "▶";
    this.find(".play").setAttribute("aria-label", "Play the film of training");
  }
}
