// Colours of the map: scales for both themes, what a measure becomes, and the legend that explains it.

const THEMES = {
  light: {
    paper: [255, 255, 255],
    ink: "#22262b", soft: "#6a7078", accent: "#0f6e68",
    diverging: [[33, 102, 172], [120, 160, 205], [196, 194, 188], [222, 150, 92], [178, 84, 16]],
    sequential: [[196, 206, 205], [120, 172, 170], [45, 128, 128], [13, 84, 92], [8, 48, 66]],
    groups: [[31, 111, 180], [214, 112, 28], [30, 138, 90], [190, 60, 96], [124, 92, 190], [148, 118, 20], [36, 150, 170], [130, 130, 130]],
  },
  dark: {
    paper: [27, 30, 34],
    ink: "#e8e6e1", soft: "#9ba1a8", accent: "#62c7bb",
    diverging: [[92, 168, 245], [92, 130, 176], [112, 114, 116], [190, 134, 84], [250, 160, 84]],
    sequential: [[70, 82, 86], [62, 120, 122], [82, 164, 158], [134, 208, 192], [210, 244, 226]],
    groups: [[98, 174, 240], [242, 156, 84], [94, 200, 146], [240, 124, 152], [178, 152, 240], [214, 186, 90], [98, 206, 222], [160, 160, 160]],
  },
};

const darkQuery = matchMedia("(prefers-color-scheme: dark)");
const printQuery = matchMedia("print");
function theme() {
  return darkQuery.matches && !printQuery.matches ? THEMES.dark : THEMES.light;
}

function along(stops, t) {
  const at = Math.min(Math.max(t, 0), 1) * (stops.length - 1);
  const i = Math.min(Math.floor(at), stops.length - 2), part = at - i;
  return stops[i].map((from, c) => Math.round(from + (stops[i + 1][c] - from) * part));
}

const css = (rgb) => `rgb(${rgb[0]} ${rgb[1]} ${rgb[2]})`;

function quantiles(values, shares) {
  const known = Float64Array.from(values.filter((v) => v === v)).sort();
  return shares.map((share) => (known.length ? known[Math.round(share * (known.length - 1))] : 0));
}

// A scale: rgb of every row, and what the legend has to say.
function scaleOf(table, name) {
  const colours = theme();
  if (table.groups.has(name)) return groupScale(table.groups.get(name), colours);
  if (name === "kept") return numberScale(shareKept(table), colours.sequential, 0, 1, null, (v) => Math.round(100 * v) + " %");
  const values = table.measures.get(name);
  if (!values) return { rgb: () => colours.groups[0], stops: null };
  let [low, high] = quantiles(values, [0.02, 0.98]);
  if (name === "count" || name === "n_updates") {
    const logs = values.map((v) => Math.log10(1 + v));
    [low, high] = quantiles(logs, [0, 1]);
    return numberScale(logs, colours.sequential, low, high, null, (v) => say(Math.round(10 ** v - 1)));
  }
  const centre = name === "effect" ? 0 : name === "target_mean" ? table.target_mean : null;
  if (centre === null || centre === undefined) return numberScale(values, colours.sequential, low, high, null, say);
  const reach = Math.max(high - centre, centre - low) || 1;
  const format = name === "effect" ? (v) => say(v, true) : say;
  const scale = numberScale(values, colours.diverging, centre - reach, centre + reach, centre, format);
  return { ...scale, shown: [Math.min(low, centre), Math.max(high, centre)] }; // the legend has what occurs
}

function shareKept(table) {
  return Float64Array.from(table.kept, (kept) => (kept === 255 ? NaN : kept / table.k));
}

function numberScale(values, stops, low, high, centre, format) {
  const steps = Array.from({ length: 64 }, (_, i) => along(stops, i / 63)), span = high - low || 1;
  const none = theme().groups[7];
  const rgb = (i) => (values[i] === values[i] ? steps[Math.round(63 * Math.min(Math.max((values[i] - low) / span, 0), 1))] : none);
  return { rgb, stops, low, high, centre, format };
}

function groupScale({ names, codes }, colours) {
  return { rgb: (i) => (codes[i] === 255 ? colours.groups[7] : colours.groups[codes[i] % 8]), names, stops: null };
}

// Numbers as people read them: four digits or so, thousands apart.
function say(value, signed = false) {
  if (value === null || value === undefined || value !== value) return "–";
  const size = Math.abs(value);
  const digits = Number.isInteger(value) || size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3;
  const text = size !== 0 && size < 0.001 ? value.toExponential(1) : value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: signed ? Math.min(digits, 2) : 0 });
  return (signed && value > 0 ? "+" : "") + text.replace("-", "−");
}

function drawLegend(place, table, scale, colourName, sizeName, view) {
  place.replaceChildren();
  if (scale.stops) {
    const bar = el("span", { class: "ramp" });
    const [from, to] = scale.shown ?? [scale.low, scale.high], span = scale.high - scale.low || 1;
    const colourAt = (value) => css(along(scale.stops, (value - scale.low) / span));
    bar.style.background = `linear-gradient(to right, ${Array.from({ length: 9 }, (_, i) => colourAt(from + ((to - from) * i) / 8)).join(", ")})`;
    place.append(el("span", { class: "key" }, el("span", {}, scale.format(from)), bar, el("span", {}, scale.format(to)), el("span", { class: "what" }, colourName)));
  } else if (scale.names) {
    scale.names.forEach((name, i) => {
      const spot = el("span", { class: "spot" });
      spot.style.background = css(theme().groups[i % 8]);
      place.append(el("span", { class: "key" }, spot, el("bdi", {}, cut(name, 24))));
    });
  }
  if (sizeName) place.append(el("span", { class: "key" }, el("span", { class: "sizes-key", "aria-hidden": "true" }, el("i"), el("i"), el("i")), el("span", { class: "what" }, sizeName)));
  if (table.trust.some((trust) => trust === 0)) {
    place.append(el("span", { class: "key" }, el("span", { class: "faint-key", "aria-hidden": "true" }), el("span", { class: "what" }, "faint: do not read meaning here")));
  }
  if (view.notFilmed) place.append(el("span", { class: "key what" }, `the film has the ${say(table.film.rows.length)} seen most`));
}
