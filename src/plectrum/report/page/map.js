// The map of one table: where rows are on the screen, what is drawn, what is under the pointer.

const FONT = '12px system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif';
const ISOLATE = "\u2068", POP = "\u2069"; // a label's own direction stays inside it
const MOST_NEIGHBOURS = 10, FEWEST_NEIGHBOURS = 3;

function cut(text, most) {
  const letters = Array.from(text.length > 4 * most ? text.slice(0, 4 * most) : text);
  return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : text;
}

class MapView {
  constructor(canvas, table) {
    this.canvas = canvas;
    this.table = table;
    this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.raster = new Raster(this.context);
    this.xs = new Float32Array(table.all);
    this.ys = new Float32Array(table.all);
    this.alphas = new Uint8Array(table.all);
    this.radii = new Float32Array(table.all);
    this.frame = table.film ? table.film.last : 0;
    this.selected = -1;
    this.hovered = -1;
    this.near = [];
    this.widths = new Map();
    this.sides = new Map();
    this.zoom = 1;
    this.middle = [0, 0];
    this.notFilmed = Boolean(table.film) && table.film.rows.length < table.n;
    this.filmed = null;
    if (this.notFilmed) {
      this.filmed = new Uint8Array(table.all);
      for (const row of table.film.rows) this.filmed[row] = 1;
    }
    this.bounds = this.findBounds();
  }

  // The box that shows (nearly) all rows, at the end and, where that is not much more, at the start of the film.
  findBounds() {
    const { places, n, film } = this.table, trim = n > 400 ? 0.002 : 0;
    const range = (coordinates, n, axis, step, trim) => {
      const values = new Float32Array(n);
      for (let i = 0; i < n; i++) values[i] = coordinates[2 * i + axis] * step;
      values.sort();
      return [values[Math.floor(trim * (n - 1))] ?? 0, values[Math.ceil((1 - trim) * (n - 1))] ?? 0];
    };
    const box = [0, 1].map((axis) => {
      const end = range(places, n, axis, 1, trim);
      if (!film) return end;
      const start = range(film.frames[0], film.rows.length, axis, film.step, Math.max(trim, 0.01)), room = 0.3 * (end[1] - end[0]);
      return [Math.min(end[0], Math.max(start[0], end[0] - room)), Math.max(end[1], Math.min(start[1], end[1] + room))];
    });
    return { x: (box[0][0] + box[0][1]) / 2, y: (box[1][0] + box[1][1]) / 2, w: box[0][1] - box[0][0], h: box[1][1] - box[1][0] };
  }

  resize() {
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    if (!width || !height) return;
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.width = width;
    this.height = height;
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.raster.resize(this.canvas.width, this.canvas.height);
    const padX = Math.min(70, width * 0.12), padY = 34;
    this.unit = Math.min((width - 2 * padX) / (this.bounds.w || 1), (height - 2 * padY) / (this.bounds.h || 1));
    this.setSizes(this.sizeValues);
    this.draw();
  }

  setColours(scale) {
    this.scale = scale;
    const { table } = this;
    this.colours = Array.from({ length: table.all }, (_, i) => (i < table.n ? scale.rgb(i) : theme().groups[7]));
    for (let i = 0; i < table.n; i++) this.alphas[i] = table.trust[i] === 0 ? 90 : 235;
  }

  // Radii from a measure (area goes with it), or one for all.
  setSizes(values) {
    this.sizeValues = values;
    if (!this.width) return;
    const { n } = this.table, room = Math.sqrt((this.width * this.height) / Math.max(n, 1));
    const most = Math.min(Math.max(0.3 * room, 2.2), 11), least = Math.min(Math.max(0.14 * room, 1.05), 2.6);
    let largest = 0;
    if (values) for (let i = 0; i < n; i++) if (values[i] > largest) largest = values[i];
    for (let i = 0; i < n; i++) {
      const share = values && largest > 0 ? Math.sqrt(Math.max(values[i] || 0, 0) / largest) : 0.35;
      this.radii[i] = least + (most - least) * share;
    }
  }

  fit() {
    this.zoom = 1;
    this.middle = [0, 0];
    this.draw();
  }

  // Zoom by a factor with one point of the screen staying where it is.
  zoomBy(factor, x = this.width / 2, y = this.height / 2) {
    const zoom = Math.min(Math.max(this.zoom * factor, 0.4), 400), real = zoom / this.zoom;
    this.middle[0] = (x - this.width / 2) * (1 - real) + this.middle[0] * real;
    this.middle[1] = (y - this.height / 2) * (1 - real) + this.middle[1] * real;
    this.zoom = zoom;
    this.draw();
  }

  panBy(dx, dy) {
    this.middle[0] += dx;
    this.middle[1] += dy;
    this.draw();
  }

  // Bring a row into view if it is not.
  reveal(row) {
    this.locate();
    const x = this.xs[row], y = this.ys[row];
    if (x < 20 || y < 20 || x > this.width - 20 || y > this.height - 20) {
      this.panBy(this.width / 2 - x, this.height / 2 - y);
    }
  }

  // Screen positions of all rows at the film's moment.
  locate() {
    const { table, xs, ys } = this, { places, film } = table, s = this.unit * this.zoom;
    const ox = this.width / 2 + this.middle[0] - this.bounds.x * s, oy = this.height / 2 + this.middle[1] + this.bounds.y * s;
    for (let i = 0; i < table.all; i++) {
      xs[i] = ox + places[2 * i] * s;
      ys[i] = oy - places[2 * i + 1] * s;
    }
    if (!film || this.frame >= film.last) return;
    const f = Math.floor(this.frame), part = this.frame - f, a = film.frames[f], b = film.frames[Math.min(f + 1, film.last)];
    const step = film.step * s, { rows } = film;
    for (let j = 0; j < rows.length; j++) {
      xs[rows[j]] = ox + (a[2 * j] + (b[2 * j] - a[2 * j]) * part) * step;
      ys[rows[j]] = oy - (a[2 * j + 1] + (b[2 * j + 1] - a[2 * j + 1]) * part) * step;
    }
  }

  // All of it, once: discs, then what is marked, then names.
  draw() {
    if (!this.width || !this.colours) return;
    this.locate();
    const { table, raster, ratio, xs, ys, radii, alphas, colours } = this;
    const inFilm = table.film && this.frame < table.film.last;
    raster.clear(theme().paper);
    const w = this.width + 12, h = this.height + 12, grow = ratio * Math.min(Math.sqrt(this.zoom), 1.8);
    for (let i = 0; i < table.n; i++) {
      const x = xs[i], y = ys[i];
      if (x < -12 || y < -12 || x > w || y > h) continue;
      const alpha = inFilm && this.filmed && !this.filmed[i] ? 22 : alphas[i];
      raster.disc(x * ratio, y * ratio, radii[i] * grow, colours[i], alpha);
    }
    raster.show();
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawMarks(inFilm);
    this.drawNames(inFilm);
  }

  drawMarks(inFilm) {
    const { context, xs, ys, selected, table } = this, colours = theme(), grow = Math.min(Math.sqrt(this.zoom), 1.8);
    context.lineWidth = 1;
    context.strokeStyle = colours.ink;
    context.fillStyle = css(colours.paper);
    if (!inFilm) for (let i = table.n; i < table.all; i++) this.diamond(xs[i], ys[i], 5);
    if (selected >= 0) {
      if (table.film) this.drawPath(selected);
      context.strokeStyle = colours.soft;
      context.globalAlpha = 0.55;
      context.beginPath();
      for (const { row } of this.near) {
        context.moveTo(xs[selected], ys[selected]);
        context.lineTo(xs[row], ys[row]);
      }
      context.stroke();
      context.globalAlpha = 1;
    }
    context.strokeStyle = colours.ink;
    for (const row of [selected, this.hovered]) {
      if (row < 0) continue;
      context.lineWidth = row === selected ? 2 : 1.2;
      context.beginPath();
      context.arc(xs[row], ys[row], (row < table.n ? this.radii[row] * grow : 6) + 3, 0, 7);
      context.stroke();
    }
  }

  diamond(x, y, r) {
    const { context } = this;
    context.beginPath();
    context.moveTo(x, y - r);
    context.lineTo(x + r, y);
    context.lineTo(x, y + r);
    context.lineTo(x - r, y);
    context.closePath();
    context.fill();
    context.stroke();
  }

  // The way one row went through training.
  drawPath(row) {
    const { film, n } = this.table;
    const j = row < n ? this.filmIndex(row) : -1;
    if (j < 0) return;
    const { context } = this, s = this.unit * this.zoom;
    const ox = this.width / 2 + this.middle[0] - this.bounds.x * s, oy = this.height / 2 + this.middle[1] + this.bounds.y * s;
    context.strokeStyle = theme().accent;
    context.lineWidth = 1.2;
    context.globalAlpha = 0.8;
    context.beginPath();
    film.frames.forEach((frame, f) => {
      const x = ox + frame[2 * j] * film.step * s, y = oy - frame[2 * j + 1] * film.step * s;
      if (f) context.lineTo(x, y);
      else context.moveTo(x, y);
    });
    context.stroke();
    context.globalAlpha = 1;
    context.lineWidth = 1;
  }

  filmIndex(row) {
    const { rows } = this.table.film;
    let low = 0, high = rows.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (rows[middle] === row) return middle;
      if (rows[middle] < row) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  // Names of the rows seen most, and of what is marked; none over another.
  drawNames(inFilm) {
    const { context, table, xs, ys, width, height } = this, colours = theme();
    context.font = FONT;
    context.textBaseline = "middle";
    context.lineJoin = "round";
    const marked = [this.selected, this.hovered, ...(this.selected >= 0 ? this.near.map((found) => found.row) : [])].filter((row) => row >= 0);
    const most = Math.min(Math.max(Math.round((width * height) / (table.n > 1500 ? 14000 : 9000)), 8), 70), boxes = this.largestDiscs(), nDiscs = boxes.length, seen = new Set();
    const consider = (row, strong) => {
      if (seen.has(row)) return;
      seen.add(row);
      const x = xs[row], y = ys[row];
      if (x < 0 || y < 0 || x > width || y > height) return;
      this.placeName(row, x, y, boxes, strong, colours);
    };
    for (const row of marked) consider(row, row === this.selected || row === this.hovered);
    if (!inFilm) for (let row = table.n; row < table.all; row++) consider(row, false);
    for (let row = 0, tried = 0; row < table.n && boxes.length - nDiscs < most && tried < 500; row++) {
      if (xs[row] > 0 && ys[row] > 0 && xs[row] < width && ys[row] < height && table.trust[row] > 0) {
        tried++;
        consider(row, false);
      }
    }
  }

  // Where names had better not stand: on the discs that are seen best.
  largestDiscs() {
    const boxes = [], grow = Math.min(Math.sqrt(this.zoom), 1.8);
    for (let row = 0; row < this.table.n && boxes.length < 80; row++) {
      const r = 0.7 * this.radii[row] * grow, x = this.xs[row], y = this.ys[row];
      if (r > 2.5 && x > 0 && y > 0 && x < this.width && y < this.height) boxes.push(Object.assign([x - r, y - r, x + r, y + r], { disc: true }));
    }
    return boxes;
  }

  placeName(row, x, y, boxes, strong, colours) {
    const { context, table } = this;
    const name = row < table.n ? table.labels[row] : table.specials[row - table.n].name; // its sign is drawn
    const text = ISOLATE + cut(name, strong ? 40 : 24) + POP;
    const font = strong ? "600 " + FONT : FONT;
    const key = strong ? -row - 1 : row;
    let w = this.widths.get(key);
    if (w === undefined) {
      context.font = font;
      w = context.measureText(text).width;
      this.widths.set(key, w);
    }
    const gap = (row < table.n ? this.radii[row] * Math.min(Math.sqrt(this.zoom), 1.8) : 6) + (strong ? 6 : 4);
    const sides = [[x + gap, y], [x - gap - w, y], [x - w / 2, y - gap - 7], [x - w / 2, y + gap + 7]];
    const known = this.sides.get(row);
    const order = known === undefined ? [0, 1, 2, 3] : [known, 0, 1, 2, 3];
    for (const side of order) {
      const [left, middle] = sides[side];
      const box = [left - 2, middle - 7, left + w + 2, middle + 7];
      if (box[0] < 0 || box[2] > this.width || box[1] < 0 || box[3] > this.height) continue;
      if (boxes.some((b) => (!strong || !b.disc) && box[0] < b[2] && box[2] > b[0] && box[1] < b[3] && box[3] > b[1])) continue;
      boxes.push(box);
      this.sides.set(row, side);
      context.font = font;
      context.strokeStyle = css(colours.paper);
      context.lineWidth = 3;
      context.strokeText(text, left, middle);
      context.fillStyle = strong ? colours.ink : table.trust[row] === 1 ? colours.soft : colours.ink;
      context.fillText(text, left, middle);
      return;
    }
  }

  // The row under a point of the screen, -1 for none.
  rowAt(x, y, reach = 12) {
    let best = -1, nearest = reach;
    for (let i = 0; i < this.table.all; i++) {
      const d = Math.hypot(this.xs[i] - x, this.ys[i] - y) - (i < this.table.n ? this.radii[i] : 4);
      if (d < nearest) {
        nearest = d;
        best = i;
      }
    }
    return best;
  }

  // The nearest row to the left, right, above or below another.
  rowBeside(row, dx, dy) {
    let best = -1, least = Infinity;
    for (let i = 0; i < this.table.all; i++) {
      const x = this.xs[i] - this.xs[row], y = this.ys[i] - this.ys[row];
      const ahead = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
      if (i === row || ahead <= 0.5 || aside > 2 * ahead) continue;
      const cost = ahead + 2 * aside;
      if (cost < least) {
        least = cost;
        best = i;
      }
    }
    return best;
  }

  // In a table of few rows, ten would be all of them.
  nNeighbours() {
    const { n } = this.table;
    return Math.max(0, Math.min(MOST_NEIGHBOURS, Math.max(FEWEST_NEIGHBOURS, Math.round(n / 4)), n - 1));
  }

  select(row) {
    this.selected = row;
    this.near = row < 0 ? [] : nearestRows(this.table, row, this.nNeighbours());
    this.draw();
  }
}
