/* The charts, by Vega-Lite. Expressions are interpreted, so the content policy need not allow eval. */
"use strict";

const numbers = JSON.parse(document.getElementById("numbers").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const KINDS = [
  ["topline", "#777777", "cross"],
  ["acoustic", "#0072B2", "circle"],
  ["acoustic-disentangled", "#56B4E9", "diamond"],
  ["acoustic-semantic", "#009E73", "triangle-up"],
  ["semantic-ssl", "#D55E00", "square"],
  ["semantic-supervised", "#CC79A7", "triangle-down"],
  ["classical", "#B8860B", "triangle-left"],
  ["floor", "#999999", "cross"],
];
const MOST_NAMES = 30;
const charts = [];

function theme() {
  const style = getComputedStyle(document.documentElement);
  const [ink, soft, line] = ["--ink", "--soft", "--line"].map((name) => style.getPropertyValue(name).trim());
  return {
    background: "transparent",
    font: "system-ui, sans-serif",
    view: { stroke: line },
    axis: { labelColor: soft, titleColor: ink, gridColor: line, domainColor: soft, tickColor: soft,
      labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal", titleLimit: 330, labelLimit: 90 },
    legend: { labelColor: ink, titleColor: ink, labelFontSize: 12, orient: "bottom", columns: 2,
      labelLimit: 260 },
    text: { color: ink },
    rule: { color: soft },
  };
}

async function draw(holder, spec) {
  if (holder.view) holder.view.finalize();
  const full = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", width: "container", height: 300,
    autosize: { type: "fit-x", contains: "padding" }, ...spec };
  holder.view = await vegaEmbed(holder, full,
    { actions: false, ast: true, renderer: "svg", config: theme(), mode: "vega-lite" });
}

/* Draw a chart now, and again when a choice changes or the system switches between dark and light. */
function keep(make) {
  charts.push(make);
  make();
}
dark.addEventListener("change", () => charts.forEach((make) => make()));

function say(holder, text) {
  holder.replaceChildren(Object.assign(document.createElement("p"), { textContent: text }));
}

function fill(select, groups) {
  for (const [title, options] of groups) {
    const parent = groups.length > 1 ? Object.assign(document.createElement("optgroup"), { label: title }) : select;
    if (parent !== select) select.append(parent);
    for (const [value, label] of options) parent.append(new Option(label, value));
  }
}

function written([value, lo, hi, status]) {
  const digits = (x) => Number(x.toPrecision(4));
  const bounds = lo === null || hi === null ? "" : ` [${digits(lo)}, ${digits(hi)}]`;
  return digits(value) + bounds + (status === "NC" ? ", NC: did not converge" : "")
    + (status === "partly NC" ? ", some seeds did not converge" : "");
}

function scatter(points, across, up, logarithmic) {
  const shown = KINDS.filter(([kind]) => points.some((point) => point.kind === kind));
  const scales = (place) => ({ domain: shown.map((k) => k[0]), range: shown.map((k) => k[place]) });
  const colour = { field: "kind", type: "nominal", title: null, scale: scales(1) };
  const quantity = (field, title, log) => ({ field, title, type: "quantitative",
    scale: log ? { type: "log", padding: 30 } : { zero: false, padding: 14 },
    axis: log ? { format: "~g", tickCount: 6 } : { tickCount: 6 } });
  const x = (field = "x") => quantity(field, across, logarithmic);
  const y = (field = "y") => quantity(field, up, false);
  const placed = points.filter((point) => point.x !== undefined);
  const levels = points.filter((point) => point.x === undefined);
  const names = { type: "text", fontSize: 12, align: "left" };
  const bounded = (side) => placed.filter((point) => point[`${side}_lo`] != null && point[`${side}_hi`] != null);
  const layer = [
    { data: { values: levels }, mark: { type: "rule", strokeDash: [6, 4] },
      encoding: { y: y(), color: colour, tooltip: tips(across, up) } },
    { data: { values: bounded("x") }, mark: { type: "rule", strokeWidth: 1.5 },
      encoding: { x: x("x_lo"), x2: { field: "x_hi" }, y: y(), color: colour } },
    { data: { values: bounded("y") }, mark: { type: "rule", strokeWidth: 1.5 },
      encoding: { x: x(), y: y("y_lo"), y2: { field: "y_hi" }, color: colour } },
    { data: { values: placed.filter((point) => !point.hollow) },
      mark: { type: "point", filled: true, size: 110, opacity: 1 },
      encoding: { x: x(), y: y(), color: colour, shape: { ...colour, scale: scales(2) }, tooltip: tips(across, up) } },
    { data: { values: placed.filter((point) => point.hollow) }, mark: { type: "point", size: 110, strokeWidth: 2 },
      encoding: { x: x(), y: y(), color: colour, shape: { ...colour, scale: scales(2) },
        tooltip: tips(across, up) } },
  ];
  if (points.length <= MOST_NAMES) {
    const sides = [{ dx: 9, dy: -9 }, { align: "right", dx: -9, dy: -9 }, { dx: 9, dy: 12 },
      { align: "right", dx: -9, dy: 12 }];
    const side = sideOf(placed, logarithmic);
    layer.push(...sides.map((look, place) => ({ data: { values: placed.filter((point) => side(point) === place) },
      mark: { ...names, ...look }, encoding: { x: x(), y: y(), text: { field: "tokenizer" } } })),
      { data: { values: levels }, mark: { ...names, dx: 4, dy: -7 },
        encoding: { x: { value: 0 }, y: y(), text: { field: "tokenizer" } } });
  }
  return { layer: layer.filter((each) => each.data.values.length),
    resolve: { legend: { color: "shared", shape: "shared" } } };
}

/* Side on which a point's name is written: 0 on the right, 1 on the left near the right edge, 2 or 3 below
 * the point if the name would cover that of an earlier point. */
function sideOf(points, logarithmic) {
  const across = (point) => (logarithmic ? Math.log(point.x) : point.x);
  const [xs, ys] = [points.map(across), points.map((point) => point.y)];
  const [wide, high] = [xs, ys].map((values) => Math.max(...values) - Math.min(...values) || 1);
  const order = new Map(points.map((point, place) => [point, place]));
  return (point) => {
    const near = points.slice(0, order.get(point)).some((other) =>
      Math.abs(across(point) - across(other)) < 0.25 * wide && Math.abs(point.y - other.y) < 0.07 * high);
    return (across(point) > Math.min(...xs) + 0.7 * wide ? 1 : 0) + (near ? 2 : 0);
  };
}

function tips(across, up) {
  return [["tokenizer", "tokenizer"], ["kind", "kind"], ["corpus", "corpus"], ["told_x", across], ["told_y", up]]
    .map(([field, title]) => ({ field, title, type: "nominal" }));
}

const byName = Object.fromEntries(numbers.tables.map((table) => [table.name, table]));
const key = (table, metric) => JSON.stringify([table, metric]);

function metricsOf(names) {
  return names.filter((name) => byName[name]).map((name) => [byName[name].title,
    byName[name].metrics
      .filter(([metric]) => byName[name].lines.some((line) => line.cells[metric]))
      .map(([metric, label]) => [key(name, metric), label])])
    .filter(([, options]) => options.length);
}

function labelOf([name, metric]) {
  return byName[name].metrics.find(([each]) => each === metric)[1];
}

function setUpRates() {
  const [holder, select] = [document.getElementById("rates"), document.getElementById("rates-metric")];
  if (!holder) return;
  fill(select, metricsOf(numbers.tables.map((table) => table.name)));
  const make = () => {
    const [name, metric] = JSON.parse(select.value);
    const points = byName[name].lines.filter((line) => line.cells[metric]).map((line) => {
      const cell = line.cells[metric];
      return { tokenizer: line.tokenizer, kind: line.kind, corpus: line.corpus, hollow: cell[3] === "NC",
        ...(line.kbps ? { x: line.kbps, told_x: String(Number(line.kbps.toPrecision(4))) } : { told_x: "–" }),
        y: cell[0], y_lo: cell[1], y_hi: cell[2], told_y: written(cell) };
    });
    const label = labelOf([name, metric]);
    return draw(holder, { ...scatter(points, "bitrate (kbps)", label, true),
      description: `${label} against bitrate of ${points.length} tokenizers; the numbers are in the tables.` });
  };
  select.addEventListener("change", make);
  keep(make);
}

function ofAxis(axis) {
  return numbers.tables.filter((table) => table.axis === axis).map((table) => table.name);
}

function setUpTradeOff() {
  const holder = document.getElementById("trade-off");
  if (!holder) return;
  const [across, up] = ["trade-off-x", "trade-off-y"].map((id) => document.getElementById(id));
  fill(across, metricsOf(ofAxis("speech")));
  fill(up, metricsOf(ofAxis("content")));
  const make = () => {
    const [x, y] = [across, up].map((select) => JSON.parse(select.value));
    const pairs = byName[x[0]].lines.flatMap((a) => byName[y[0]].lines
      .filter((b) => a.tokenizer === b.tokenizer && a.cells[x[1]] && b.cells[y[1]]).map((b) => [a, b]));
    const same = pairs.filter(([a, b]) => a.corpus === b.corpus);
    const points = (same.length ? same : pairs).map(([a, b]) => {
      const [left, right] = [a.cells[x[1]], b.cells[y[1]]];
      return { tokenizer: a.tokenizer, kind: a.kind, corpus: [...new Set([a.corpus, b.corpus])].join("; "),
        hollow: left[3] === "NC" || right[3] === "NC",
        x: left[0], x_lo: left[1], x_hi: left[2], told_x: written(left),
        y: right[0], y_lo: right[1], y_hi: right[2], told_y: written(right) };
    });
    if (!points.length) return say(holder, "No tokenizer has both numbers.");
    const labels = [x, y].map(labelOf);
    return draw(holder, { ...scatter(points, `${byName[x[0]].title}: ${labels[0]}`, labels[1], false),
      description: `${labels[1]} against ${labels[0]} of ${points.length} tokenizers; the numbers are in the tables.` });
  };
  for (const select of [across, up]) select.addEventListener("change", make);
  keep(make);
}

function setUpHistogram() {
  const [holder, select] = [document.getElementById("histogram"), document.getElementById("histogram-of")];
  if (!holder) return;
  fill(select, [["", numbers.usage.map((each, place) => [place, each.label])]]);
  const make = () => {
    const { label, size, points } = numbers.usage[Number(select.value)];
    return draw(holder, {
      description: `How often the codes of ${label} are used, the most frequent first.`,
      layer: [
        { data: { values: points }, mark: { type: "line", strokeWidth: 2 },
          encoding: { x: { field: "rank", type: "quantitative", title: "code, by rank", axis: { tickCount: 6 } },
            y: { field: "share", type: "quantitative", title: "relative frequency", scale: { type: "log" },
              axis: { format: ".0e", tickCount: 5 } },
            color: { field: "book", type: "ordinal", title: null, sort: null, scale: { scheme: "viridis" } } } },
        { data: { values: [{ share: 1 / size }] }, mark: { type: "rule", strokeDash: [6, 4] },
          encoding: { y: { field: "share", type: "quantitative" } } },
      ],
    });
  };
  select.addEventListener("change", make);
  keep(make);
}

function setUpGrowth() {
  const titles = { used: "entries used (%), mean over books", perplexity: "perplexity, mean over books" };
  for (const [field, title] of Object.entries(titles)) {
    const holder = document.getElementById(`growth-${field}`);
    if (!holder) continue;
    keep(() => draw(holder, {
      description: `${title} against hours of speech.`,
      data: { values: numbers.growth },
      mark: { type: "line", point: true },
      encoding: {
        x: { field: "hours", type: "quantitative", title: "hours of speech", scale: { type: "log" },
          axis: { format: "~g", tickCount: 4 } },
        y: { field, type: "quantitative", title, ...(field === "used" ? { axis: { tickCount: 6 } }
          : { scale: { type: "log" }, axis: { format: "~g", tickCount: 5 } }) },
        color: { field: "tokenizer", type: "nominal", title: null },
        tooltip: ["tokenizer", "hours", field].map((name) => ({ field: name })),
      },
    }));
  }
}

function setUpReduction() {
  const titles = { bpe: "average frame rate (Hz)", dedup_bpe: "average frame rate, deduplicated (Hz)" };
  for (const [field, title] of Object.entries(titles)) {
    const holder = document.getElementById(`reduction-${field}`);
    if (!holder) continue;
    keep(() => draw(holder, {
      description: `${title} against the size of the vocabulary.`,
      data: { values: numbers.reduction.filter((point) => point[field] !== null) },
      mark: { type: "line", point: true },
      encoding: {
        x: { field: "vocabulary", type: "quantitative", title: "vocabulary", axis: { format: ",", tickCount: 6 } },
        y: { field, type: "quantitative", title, scale: { type: "log" }, axis: { format: "~g", tickCount: 6 } },
        color: { field: "tokenizer", type: "nominal", title: null },
        tooltip: ["tokenizer", "vocabulary", field].map((name) => ({ field: name })),
      },
    }));
  }
}

setUpRates();
setUpTradeOff();
setUpHistogram();
setUpGrowth();
setUpReduction();
