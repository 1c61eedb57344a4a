// From the packed text of a table to typed arrays; the inverse of _pack.py, where the layout is written down.

const NOT_KNOWN = 65535;

function bytesOfBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

async function gunzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const N_PLANES = { i8: 1, u8: 1, u16: 2, i16: 2, d16: 2, u32: 4 };

function readArray(bytes, at, entry) {
  const n = entry.shape.reduce((a, b) => a * b, 1);
  const planes = N_PLANES[entry.kind];
  if (entry.kind === "i8") return [new Int8Array(bytes.buffer, at, n), at + n];
  if (entry.kind === "u8") return [new Uint8Array(bytes.buffer, at, n), at + n];
  const values = entry.kind === "u32" ? new Uint32Array(n) : entry.kind === "u16" ? new Uint16Array(n) : new Int16Array(n);
  for (let plane = 0; plane < planes; plane++) {
    const from = at + plane * n, shift = 8 * plane;
    for (let i = 0; i < n; i++) values[i] |= bytes[from + i] << shift;
  }
  if (entry.kind === "d16") {
    const width = n / entry.shape[0];
    for (let i = width; i < n; i++) values[i] += values[i - width];
  }
  return [values, at + planes * n];
}

function realNumbers(values, entry) {
  const out = new Float64Array(values.length);
  if (entry.step === undefined) return out.map((_, i) => values[i]);
  for (let i = 0; i < out.length; i++) out[i] = values[i] === NOT_KNOWN ? NaN : entry.offset + entry.step * values[i];
  return out;
}

// A table: n rows from the most seen to the least, then its special rows (unseen, missing), which have no measures.
async function unpack(text) {
  const bytes = await gunzip(bytesOfBase64(text.trim()));
  const headerLength = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + headerLength)));
  const arrays = {}, entries = header.arrays;
  let at = 4 + headerLength;
  for (const name of Object.keys(entries)) [arrays[name], at] = readArray(bytes, at, entries[name]);

  const { n, dim, specials } = header, all = n + specials.length;
  const vectors = new Int8Array(all * dim);
  vectors.set(arrays.vectors);
  const places = new Float32Array(2 * all);
  for (let i = 0; i < 2 * n; i++) places[i] = arrays.places[i] * header.step;
  specials.forEach((special, j) => {
    vectors.set(special.vector, (n + j) * dim);
    places.set(special.place, 2 * (n + j));
  });
  const measures = new Map();
  for (const name of Object.keys(entries)) {
    if (name.startsWith("measure:")) measures.set(name.slice(8), realNumbers(arrays[name], entries[name]));
  }
  const groups = new Map();
  for (const name of Object.keys(header.groups)) {
    groups.set(name, { names: header.groups[name], codes: arrays["group:" + name] });
  }
  return {
    ...header, all, vectors, places, measures, groups,
    labels: header.labels.concat(specials.map((special) => "◇ " + special.name)),
    lengths: lengthsOf(vectors, dim),
    norm: realNumbers(arrays.norm, entries.norm),
    trust: arrays.trust,
    kept: arrays.kept,
    film: arrays.film ? filmOf(arrays, entries, header.step) : null,
  };
}

function filmOf(arrays, entries, step) {
  const [nFrames, nRows] = entries.film.shape;
  const frames = Array.from({ length: nFrames }, (_, f) => arrays.film.subarray(f * nRows * 2, (f + 1) * nRows * 2));
  return { frames, rows: arrays.film_rows, step, last: nFrames - 1 };
}

function lengthsOf(vectors, dim) {
  const lengths = new Float32Array(vectors.length / dim || 0);
  for (let i = 0; i < lengths.length; i++) {
    let sum = 0;
    for (let j = i * dim; j < (i + 1) * dim; j++) sum += vectors[j] * vectors[j];
    lengths[i] = Math.sqrt(sum) || 1;
  }
  return lengths;
}

function cosine(table, a, b) {
  const { vectors, dim, lengths } = table;
  let sum = 0;
  for (let j = 0, p = a * dim, q = b * dim; j < dim; j++) sum += vectors[p + j] * vectors[q + j];
  return sum / (lengths[a] * lengths[b]);
}

// The k rows (no special ones) with the highest score, best first.
function topRows(n, k, left, score) {
  const rows = [], scores = [];
  for (let i = 0; i < n; i++) {
    if (i === left) continue;
    const s = score(i);
    if (rows.length === k && s <= scores[k - 1]) continue;
    let at = Math.min(rows.length, k - 1);
    while (at > 0 && scores[at - 1] < s) {
      rows[at] = rows[at - 1];
      scores[at] = scores[at - 1];
      at--;
    }
    rows[at] = i;
    scores[at] = s;
  }
  return rows.map((row, i) => ({ row, score: scores[i] }));
}

// Nearest in all dimensions, by cosine, exactly (up to the rounding to 127 steps).
function nearestRows(table, row, k) {
  const { vectors, dim, lengths } = table, asked = row * dim, own = lengths[row];
  return topRows(table.n, k, row, (i) => {
    let sum = 0;
    for (let j = 0, p = i * dim; j < dim; j++) sum += vectors[asked + j] * vectors[p + j];
    return sum / (own * lengths[i]);
  });
}

function nearestPlaces(table, row, k) {
  const { places } = table, x = places[2 * row], y = places[2 * row + 1];
  return topRows(table.n, k, row, (i) => -((places[2 * i] - x) ** 2) - (places[2 * i + 1] - y) ** 2);
}

// How many of a row's k nearest the map keeps; counted here where the page does not carry it.
function keptByMap(table, row) {
  if (!table.k) return null;
  if (row < table.n && table.kept && table.kept[row] !== 255) return table.kept[row];
  const true_ = new Set(nearestRows(table, row, table.k).map((found) => found.row));
  return nearestPlaces(table, row, table.k).filter((found) => true_.has(found.row)).length;
}
