// The report works without this script: charts are drawn already, rows open by themselves. With it, rows can be
// filtered, and where uPlot is embedded the charts can be read off and zoomed.
"use strict";
(() => {
  const $ = (sel, root = document) => root.querySelector(sel), $$ = (sel) => [...document.querySelectorAll(sel)];

  const tools = $(".tools"), filter = $("#filter"), all = $("#all"), rows = $$(".stack");
  if (tools) {
    const more = $(".more");
    const words = rows.map((row) => row.textContent.toLowerCase());
    tools.hidden = false;
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase();
      rows.forEach((row, i) => { row.hidden = wanted !== "" && !words[i].includes(wanted); });
      if (more && wanted !== "") more.open = true;
    });
    all.addEventListener("click", () => {
      const open = all.textContent === "Expand all";
      rows.forEach((row) => { row.open = open; });
      all.textContent = open ? "Collapse all" : "Expand all";
    });
  }

  if (typeof uPlot === "undefined") return;
  const data = JSON.parse($("#data").textContent);
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const three = (v) => { const a = Math.abs(v); return a === 0 ? "0" : a >= 100 ? v.toFixed(0) : a >= 10 ? v.toFixed(1) : v.toFixed(2); };
  const scaled = (v, units, base) => {
    let i = 0;
    while (Math.abs(v) >= base && i + 1 < units.length) { v /= base; i++; }
    return three(v).replace(/\.0+$/, "") + " " + units[i];
  };
  const duration = (s) => {
    const a = Math.abs(s), sign = s < 0 ? "-" : "";
    if (a === 0) return "0";
    if (a < 1e-3) return sign + three(a * 1e6) + " us";
    if (a < 1) return sign + three(a * 1e3) + " ms";
    if (a < 90) return sign + three(a).replace(/\.0+$/, "") + " s";
    if (a < 5400) return sign + three(a / 60).replace(/\.0+$/, "") + " m";
    return sign + three(a / 3600).replace(/\.?0+$/, "") + " h";
  };
  const format = {
    bytes: (v) => scaled(v, ["B", "kB", "MB", "GB", "TB"], 1000),
    bytes_rate: (v) => scaled(v, ["B", "kB", "MB", "GB"], 1000) + "/s",
    count: (v) => (Number.isInteger(v) ? String(v) : three(v)),
    rate: (v) => three(v) + "/s",
    ratio: (v) => three(v * 100) + " %",
    seconds: duration,
  };

  const shade = (u) => {
    const { ctx, bbox } = u, b = data.bands, end = u.scales.x.max, start = u.scales.x.min;
    const band = (from, to, fill) => {
      from = Math.max(from, start); to = Math.min(to, end);
      if (!(to > from)) return;
      const x0 = u.valToPos(from, "x", true), x1 = u.valToPos(to, "x", true);
      ctx.fillStyle = fill;
      ctx.fillRect(x0, bbox.top, Math.max(x1 - x0, 1), bbox.height);
    };
    ctx.save();
    band(start, b.from, color("--idle"));
    band(b.to, end, color("--idle"));
    if (b.warm !== null) band(b.from, b.warm, color("--warm"));
    b.faults.forEach(([from, to]) => band(from, to, color("--fault")));
    b.gaps.forEach(([from, to]) => band(from, to, color("--gap")));
    ctx.restore();
  };

  const times = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400];
  const make = (box, chart) => {
    const values = [...box.parentElement.querySelectorAll(".legend b")], last = values.map((v) => v.textContent);
    const fmt = format[chart.unit];
    const axis = { stroke: color("--soft"), grid: { stroke: color("--rule"), width: 1 }, ticks: { show: false }, font: "11.5px system-ui, sans-serif" };
    const show = (u) => {
      const i = u.cursor.idx;
      values.forEach((v, l) => {
        const y = i === null || i === undefined ? null : chart.data[l + 1][i];
        v.textContent = i === null || i === undefined ? last[l] : y === null ? "no value" : fmt(y);
      });
      title.textContent = i === null || i === undefined ? caption : caption + " at " + duration(chart.data[0][i]);
    };
    const title = box.parentElement.querySelector("figcaption"), caption = title.textContent;
    const sparse = chart.data.slice(1).map((y) => y.filter((v) => v === null).length * 2 > y.length);
    const range = (u, lo, hi) => {
      if (lo === null) return [0, 1];
      if (lo > 0 && (lo < 0.75 * hi || chart.unit === "count")) lo = 0;
      return uPlot.rangeNum(lo, hi === lo ? lo + (Math.abs(lo) * 0.1 || 1) : hi, { min: { pad: lo === 0 ? 0 : 0.08, soft: lo >= 0 ? 0 : null, mode: lo === 0 ? 1 : 0 }, max: { pad: 0.08 } });
    };
    const options = {
      width: box.clientWidth, height: 210, legend: { show: false }, pxAlign: 0,
      cursor: { sync: { key: "seep", setSeries: false }, points: { size: 6 }, drag: { x: true, y: false } },
      scales: { x: { time: false }, y: { range } },
      axes: [
        { ...axis, incrs: times, space: 64, size: 28, values: (u, ticks) => ticks.map((t) => (t === 0 ? "0" : duration(t))), grid: { show: false } },
        { ...axis, size: 66, values: (u, ticks) => ticks.map((t) => fmt(t)) },
      ],
      series: [{}, ...chart.labels.map((label, l) => ({ label, stroke: color("--c" + l), width: 1.7, spanGaps: sparse[l], points: { show: false } }))],
      hooks: { drawClear: [shade], setCursor: [show] },
    };
    box.textContent = "";
    const u = new uPlot(options, chart.data, box);
    box.tabIndex = 0;
    box.setAttribute("aria-label", caption + ": left and right move the cursor, double click or Escape shows all");
    box.addEventListener("keydown", (ev) => {
      if (ev.key === "Escape") u.setScale("x", { min: chart.data[0][0], max: chart.data[0][chart.data[0].length - 1] });
      const step = ev.key === "ArrowRight" ? 1 : ev.key === "ArrowLeft" ? -1 : 0;
      if (step === 0) return;
      ev.preventDefault();
      const n = chart.data[0].length, now = u.cursor.idx ?? (step > 0 ? -1 : n);
      const i = Math.min(n - 1, Math.max(0, now + step * (ev.shiftKey ? 10 : 1)));
      u.setCursor({ left: u.valToPos(chart.data[0][i], "x"), top: 10 });
    });
    new ResizeObserver(() => u.setSize({ width: box.clientWidth, height: 210 })).observe(box);
    return u;
  };

  let plots = [];
  const draw = () => {
    plots.forEach((u) => u.destroy());
    plots = $$(".plot[data-chart]").filter((box) => box.querySelector("svg") || box.querySelector(".uplot") || box.dataset.made)
      .map((box) => { box.dataset.made = "1"; return make(box, data.charts[Number(box.dataset.chart)]); });
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
