// The flame graph: boxes for calls, as wide as what the stacks through them add up to. Data (html_flame.c):
//   names: texts. nodes: [name, place, parent] a node, parents first, -1: none. stacks: [node, rate, grows, live, blocks].
// Drawn as SVG, only what is wide enough to be seen, so its cost follows the screen and not the number of stacks.
"use strict";
(() => {
  const box = document.querySelector("#flame");
  if (!box) return;
  const data = JSON.parse(document.querySelector("#flame-data").textContent);
  const $ = (id) => document.querySelector("#flame-" + id);
  const view = $("view"), tip = $("tip"), status = $("status"), search = $("search"), measure = $("measure"), flip = $("flip"), reset = $("reset"), path = $("path");
  const NS = view.firstElementChild.namespaceURI, ROW = 19, LEAST = 0.6, CHAR = 6.6;

  const scaled = (v) => {
    const units = ["B", "kB", "MB", "GB", "TB"], a = Math.abs(v);
    let i = 0, d = a;
    while (d >= 1000 && i + 1 < units.length) { d /= 1000; i++; }
    return (v < 0 ? "-" : "") + (d >= 100 || i === 0 ? d.toFixed(0) : d >= 10 ? d.toFixed(1) : d.toFixed(2)) + " " + units[i];
  };
  const measures = {
    grows: { of: (s) => (s[2] ? Math.max(s[1], 0) : 0), text: (v) => "+" + scaled(v) + "/h" },
    rose: { of: (s) => Math.max(s[1], 0), text: (v) => "+" + scaled(v) + "/h" },
    fell: { of: (s) => Math.max(-s[1], 0), text: (v) => "-" + scaled(v) + "/h" },
    live: { of: (s) => Math.max(s[3], 0), text: scaled },
  };

  // Node 0 is ours: all stacks.
  const nodes = [{ name: "all stacks", place: "", parent: null, children: [], depth: 0 }];
  data.nodes.forEach(([name, place, parent]) => {
    const up = nodes[parent + 1];
    const node = { name: data.names[name], place: place < 0 ? "" : data.names[place], parent: up, children: [], depth: up.depth + 1 };
    up.children.push(node);
    nodes.push(node);
  });
  const root = nodes[0];
  let focus = root, current = root, wanted = null, boxes = new Map();

  const weigh = () => {
    const of = measures[measure.value].of;
    nodes.forEach((n) => { n.value = n.self = n.rate = n.live = n.blocks = n.stacks = 0; });
    data.stacks.forEach((s) => {
      const v = of(s), n = nodes[s[0] + 1];
      if (v <= 0) return;
      n.self += v; n.value += v; n.rate += s[1]; n.live += s[3]; n.blocks += s[4]; n.stacks += 1;
    });
    for (let i = nodes.length - 1; i > 0; i--) {
      const n = nodes[i], up = n.parent;
      up.value += n.value; up.rate += n.rate; up.live += n.live; up.blocks += n.blocks; up.stacks += n.stacks;
    }
    nodes.forEach((n) => n.children.sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1)));
  };

  const lower = nodes.map((n) => (n.name + "\n" + n.place).toLowerCase());
  nodes.forEach((n, i) => { n.index = i; });
  const hits = (n) => wanted !== null && lower[n.index].includes(wanted);
  const percent = (v, of) => (of > 0 ? (v * 100 / of).toFixed(1) : "0") + " %";
  const share = (n) => percent(n.value, root.value);
  const describe = (n) => n.name + (n.place ? ", " + n.place : "") + ": " + measures[measure.value].text(n.value) + ", " + share(n) + " of what is shown, " + n.stacks + (n.stacks === 1 ? " stack" : " stacks");

  const element = (name, attributes) => {
    const e = document.createElementNS(NS, name);
    Object.entries(attributes).forEach(([k, v]) => e.setAttribute(k, v));
    return e;
  };
  const hue = (n) => {
    let h = 0;
    for (let i = 0; i < n.name.length; i++) h = (h * 31 + n.name.charCodeAt(i)) >>> 0;
    return h % 6;
  };

  const draw = () => {
    const width = Math.max(view.clientWidth, 320), line = [];
    for (let n = focus; n; n = n.parent) line.unshift(n);
    const visible = [], place = (n, x, w, y) => {
      visible.push([n, x, w, y]);
      let at = x;
      n.children.forEach((c) => {
        const cw = n.value > 0 ? w * c.value / n.value : 0;
        if (cw >= LEAST) place(c, at, cw, y + 1);
        at += cw;
      });
    };
    line.slice(0, -1).forEach((n, i) => visible.push([n, 0, width, i]));
    if (focus.value > 0) place(focus, 0, width, line.length - 1);
    const rows = visible.reduce((most, v) => Math.max(most, v[3]), 0) + 1, height = rows * ROW;
    const svg = element("svg", { viewBox: "0 0 " + width + " " + height, width, height, role: "tree", "aria-label": "Flame graph" });
    boxes = new Map();
    visible.forEach(([n, x, w, y]) => {
      const top = flip.checked ? height - (y + 1) * ROW : y * ROW;
      const g = element("g", { class: "fb h" + hue(n) + (n.index && y < line.length - 1 ? " up" : "") + (hits(n) ? " hit" : "") + (n === root ? " root" : ""), tabindex: n === current ? 0 : -1, role: "treeitem", "aria-label": describe(n), "data-n": n.index });
      g.append(element("rect", { x: x.toFixed(2), y: top, width: Math.max(w - 0.5, 0.5).toFixed(2), height: ROW - 1, rx: 2 }));
      const room = Math.floor((w - 8) / CHAR);
      if (room >= 3) {
        const t = element("text", { x: (x + 4).toFixed(2), y: top + ROW - 6 });
        t.textContent = n.name.length > room ? n.name.slice(0, room - 1) + "\u2026" : n.name;
        g.append(t);
      }
      boxes.set(n, g);
      svg.append(g);
    });
    view.replaceChildren(svg);
    say();
  };

  const say = () => {
    const m = measures[measure.value];
    let found = 0;
    if (wanted !== null) {
      const add = (n) => { if (hits(n)) found += n.value; else n.children.forEach(add); };
      add(root);
    }
    status.textContent = root.value <= 0 ? "Nothing to show here: no stack of this kind."
      : wanted !== null ? "Found " + m.text(found) + ", " + percent(found, root.value) + " of what is shown."
      : m.text(root.value) + " in " + root.stacks + (root.stacks === 1 ? " stack" : " stacks") + (focus === root ? "." : "; zoomed to " + m.text(focus.value) + ", " + share(focus) + ".");
    path.textContent = focus === root ? "" : focus.name;
    reset.disabled = focus === root && wanted === null;
  };

  const show = (n, x, y) => {
    tip.replaceChildren();
    const put = (tag, text) => { const e = document.createElement(tag); e.textContent = text; tip.append(e); };
    put("b", n.name);
    if (n.place) put("span", n.place);
    put("span", measures[measure.value].text(n.value) + ", " + share(n) + " of what is shown" + (n.self > 0 && n.self < n.value ? "; itself " + measures[measure.value].text(n.self) : ""));
    put("span", (n.rate < 0 ? "" : "+") + scaled(n.rate) + "/h end rate, " + scaled(n.live) + " live in " + Math.round(n.blocks) + " blocks, " + n.stacks + (n.stacks === 1 ? " stack" : " stacks"));
    tip.hidden = false;
    const area = box.getBoundingClientRect();
    tip.style.left = Math.max(0, Math.min(x - area.left + 14, area.width - tip.offsetWidth - 4)) + "px";
    tip.style.top = (y - area.top + 18) + "px";
  };
  const hide = () => { tip.hidden = true; };
  const node_of = (target) => { const g = target.closest && target.closest("g.fb"); return g ? nodes[Number(g.dataset.n)] : null; };

  const zoom = (n) => { focus = current = n; hide(); draw(); };
  const move = (n) => {
    if (!n || !boxes.has(n)) return;
    const old = boxes.get(current);
    if (old) old.setAttribute("tabindex", -1);
    current = n;
    const g = boxes.get(n);
    g.setAttribute("tabindex", 0);
    g.focus();
  };
  const beside = (n, step) => {
    const all = n.parent ? n.parent.children.filter((c) => boxes.has(c)) : [n];
    return all[all.indexOf(n) + step];
  };
  const start = () => { wanted = null; search.value = ""; zoom(root); };

  view.addEventListener("mousemove", (ev) => { const n = node_of(ev.target); if (n) show(n, ev.clientX, ev.clientY); else hide(); });
  view.addEventListener("mouseleave", hide);
  view.addEventListener("click", (ev) => { const n = node_of(ev.target); if (n) { zoom(n); boxes.get(n).focus(); } });
  view.addEventListener("focusin", (ev) => { const n = node_of(ev.target); if (n) { const r = ev.target.getBoundingClientRect(); show(n, r.left, r.bottom - 14); } });
  view.addEventListener("focusout", hide);
  view.addEventListener("keydown", (ev) => {
    const n = node_of(ev.target), out = flip.checked ? "ArrowDown" : "ArrowUp", down = flip.checked ? "ArrowUp" : "ArrowDown";
    if (!n) return;
    const known = { [out]: () => move(n.parent), [down]: () => move(n.children.find((c) => boxes.has(c))), ArrowLeft: () => move(beside(n, -1)), ArrowRight: () => move(beside(n, 1)), Enter: () => { zoom(n); move(n); }, " ": () => { zoom(n); move(n); }, Escape: () => { start(); move(root); }, "/": () => search.focus() }[ev.key];
    if (!known) return;
    ev.preventDefault();
    known();
  });
  search.addEventListener("input", () => { const t = search.value.trim().toLowerCase(); wanted = t === "" ? null : t; draw(); });
  search.addEventListener("keydown", (ev) => { if (ev.key === "Escape") start(); });
  measure.addEventListener("change", () => { weigh(); if (focus.value <= 0) focus = current = root; draw(); });
  flip.addEventListener("change", draw);
  reset.addEventListener("click", start);

  box.hidden = false;
  weigh();
  if (root.value <= 0) { measure.value = "live"; weigh(); }
  draw();
  let drawn = view.clientWidth;
  // Not within the observer's own round: drawing changes the height of what is observed.
  new ResizeObserver(() => requestAnimationFrame(() => {
    if (view.clientWidth === drawn) return;
    drawn = view.clientWidth;
    draw();
  })).observe(view);
})();
