// Charts drawn from the tables beside them; the tables stay for screen readers and exact numbers.
const drawn = new Map();

function load(table) {
  return new Promise((resolve, reject) => {
    if (window.uPlot) return resolve();
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: table.dataset.style });
    const script = Object.assign(document.createElement("script"), { src: table.dataset.script, onload: resolve, onerror: reject });
    document.head.append(style, script);
  });
}

function read(table) {
  // The table lists the newest row first, uPlot needs the oldest first.
  const rows = [...table.tBodies[0].rows].reverse();
  const at = rows.map((row) => Date.parse(row.dataset.at) / 1000);
  const columns = [...table.tHead.rows[0].cells].slice(1, -1).map((_, index) =>
    rows.map((row) => Number(row.cells[index + 1].dataset.value)));
  // Stacked bars: each series is drawn from zero to its top, the tallest first, so that the next ones cover its lower part.
  const tops = columns.map((_, index) => rows.map((_, row) => columns.slice(0, index + 1).reduce((sum, column) => sum + column[row], 0)));
  return [at, ...tops.reverse()];
}

function shades(table) {
  return JSON.parse(table.dataset.off || "[]").map(([from, to]) => [Date.parse(from) / 1000, to ? Date.parse(to) / 1000 : Infinity]);
}

function colour(selector) {
  const element = document.querySelector(selector);
  return element ? getComputedStyle(element, "::before").backgroundColor : "gray";
}

// Pauses are shaded over the whole height behind the bars, and once more as a strip in front, where no bar hides them.
function shade(chart, table, strip) {
  const { left, top, width, height: whole } = chart.bbox, height = strip ? 5 * devicePixelRatio : whole;
  chart.ctx.save();
  chart.ctx.fillStyle = strip ? colour(".legend .outcome-discarded") : colour(".legend .shade");
  for (const [from, to] of shades(table())) {
    const start = Math.max(left, chart.valToPos(from, "x", true));
    const end = Math.min(left + width, to === Infinity ? left + width : chart.valToPos(to, "x", true));
    if (end > start) chart.ctx.fillRect(start, top, Math.max(end - start, 2), height);
  }
  chart.ctx.restore();
}

function options(holder, table) {
  const step = Number(table().dataset.step);
  const names = [...table().tHead.rows[0].cells].slice(1, -1).map((cell) => cell.dataset.outcome).reverse();
  const style = getComputedStyle(document.documentElement);
  const axis = { stroke: getComputedStyle(holder).color, grid: { stroke: "rgba(127,127,127,0.2)", width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
  const number = new Intl.NumberFormat(document.documentElement.lang, { notation: "compact" });
  const hour = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return {
    width: holder.clientWidth, height: 220, legend: { show: false }, cursor: { drag: { x: false, y: false }, points: { show: false } },
    scales: { x: { time: true, range: (_, low, high) => [low - step / 2, high + step / 2] }, y: { range: (_, __, high) => [0, Math.max(1, high * 1.1)] } },
    axes: [
      { ...axis, size: 28, values: (_, ticks) => ticks.map((tick) => hour.format(tick * 1000)) },
      { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? number.format(tick) : "")) },
    ],
    series: [{}, ...names.map((name) => ({ fill: colour(`.legend .outcome-${name}`), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.82, 40] }) }))],
    hooks: { drawClear: [(chart) => shade(chart, table, false)], draw: [(chart) => shade(chart, table, true)] },
  };
}

function draw(holder) {
  const table = () => document.getElementById(holder.dataset.table);
  drawn.get(holder)?.destroy();
  drawn.set(holder, new uPlot(options(holder, table), read(table()), holder));
}

async function watch(holder) {
  const table = document.getElementById(holder.dataset.table);
  if (!table) return;
  await load(table);
  draw(holder);
  new ResizeObserver(() => drawn.get(holder).setSize({ width: holder.clientWidth, height: 220 })).observe(holder);
  // A canvas does not follow the theme: it is redrawn when the colours change.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(holder));
  document.body.addEventListener("comporta:replaced", (event) => {
    const fresh = document.getElementById(holder.dataset.table);
    if (fresh && event.target.contains(fresh)) drawn.get(holder).setData(read(fresh));
  });
}

export function watchCharts() {
  for (const holder of document.querySelectorAll(".chart[data-table]")) watch(holder);
}
