// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The first half of the page's script: reads the data, lays rows out, draws boxes, ticks, labels and arrows. Boxes are made
// once, in a group that zooming stretches by one attribute; text and arrows, which must not be stretched, are made anew for
// what is in sight.
#pragma once

namespace stretto::inline v0::detail {

inline constexpr const char page_plot[] = R"js(
"use strict";
const page = JSON.parse(document.getElementById("data").textContent);
const by_id = id => document.getElementById(id);
const lane_names = ["", "copy in", "copy out", "network", "collective"];

/** A new element: of HTML, or of SVG where its parent is. */
function add(parent, name, attributes = {}, text) {
  const of_svg = name === "svg" || (parent.namespaceURI || "").endsWith("svg");
  const e = of_svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const key in attributes) e.setAttribute(key, attributes[key]);
  if (text !== undefined) e.textContent = text;
  parent.appendChild(e);
  return e;
}

/** The columns of a run as they came, with what is looked up often. */
function unpack(run, index) {
  run.index = index;
  run.names = run.names === "" ? [] : run.names.split(" ");
  run.count = run.names.length;
  run.rank = new Int32Array(run.count);
  for (let r = 0; r + 1 < run.begin.length; ++r) run.rank.fill(r, run.begin[r], run.begin[r + 1]);
  run.label = run.names.map((name, i) => run.batch[i] < 0 ? run.passes[run.pass[i]] : name.replace(/^\d*[A-Z_]+/, ""));
  run.journey = run.label.map((label, i) => run.batch[i] < 0 ? "" : label.replace(/s\d+$/, ""));
  run.given = Array.from({length: run.count}, () => []);
  run.got = Array.from({length: run.count}, () => []);
  run.message_from.forEach((from, m) => { run.given[from].push(m); run.got[run.message_to[m]].push(m); });
  run.of_name = new Map(run.names.map((name, i) => [name, i]));
  run.boxes = new Array(run.count);
  return run;
}
const runs = page.runs.map(unpack);
const first = runs[0];
const span = Math.max(...runs.map(r => r.makespan)) || 1;
const most_held = Math.max(...runs.map(r => Math.max(0, ...r.ranks.map(k => k.peak))));
const stretch = 1000 / span;  // inside the stretched group a step is 1000 wide, because numbers there have 24 bits

/** A time with the unit that suits it. */
function time_words(t, digits = 4) {
  if (t === 0) return "0";
  const short = v => String(Number(v.toPrecision(digits)));
  if (first.unit !== "s") return short(t) + (first.unit ? " " + first.unit : "");
  const size = Math.abs(t);
  return size >= 1 ? short(t) + " s" : size >= 1e-3 ? short(t * 1e3) + " ms" : short(t * 1e6) + " \u00b5s";
}
const number_words = (v, digits = 4) => String(Number(v.toPrecision(digits)));

// What is shown, and from when to when.
const shown = {view: runs.length > 1 ? "both" : "0", memory: true, messages: false, critical: true, search: "", hidden: new Set()};
const view = {from: 0, to: span};
let chosen = null, pointed = null;  // {run, i}

// Rows: a rank after another; on a rank its lanes, foretold then measured, then what it holds.
const high = 24, lane_gap = 4, rank_gap = 9, curve = 30, top_gap = 8, right = 12;
const rows = [], curves = [];
let left = 70, width = 800, bottom = 0;
const scaled = by_id("scaled");
for (let rank = 0; rank < first.ranks.length; ++rank) {
  for (const run of runs) {
    const lanes = new Map([[0, []]]);
    for (let i = run.begin[rank]; i < run.begin[rank + 1]; ++i) {
      if (!lanes.has(run.lane[i])) lanes.set(run.lane[i], []);
      lanes.get(run.lane[i]).push(i);
    }
    for (const [lane, actions] of [...lanes].sort((a, b) => a[0] - b[0])) rows.push({rank, run, lane, actions, group: add(scaled, "g"), y: 0});
  }
  for (const run of runs) {
    const group = add(scaled, "g");
    curves.push({rank, run, group, y: 0});
    let d = `M0 ${curve}`;
    const held = run.ranks[rank].memory;
    const height = v => curve - (most_held > 0 ? (curve - 3) * v / most_held : 0);
    for (let k = 0; k < held.length; k += 2) d += `H${held[k] * stretch}V${height(held[k + 1])}`;
    add(group, "path", {class: run.measured ? "held measured" : "held", d: d + `H${run.makespan * stretch}V${curve}`});
  }
}
for (const row of rows) {
  let late = "";
  const {run} = row;
  for (const i of row.actions) {
    const instant = !(run.end[i] > run.start[i]);
    const x = run.start[i] * stretch, w = instant ? 1e-4 : (run.end[i] - run.start[i]) * stretch;
    const box = add(row.group, "rect", {
      class: `box p${run.pass[i]} b${run.pass[i]}_${run.chunk[i]}${instant ? " instant" : ""}`,
      x, width: w, y: run.half[i] === 2 ? high / 2 : 0, height: run.half[i] ? high / 2 : high});
    box.at = {run, i};
    run.boxes[i] = box;
    if (run.critical[i] && run.half[i] !== 2) late += `M${x} ${high + 1}h${w}v2h${-w}z`;
  }
  if (late) add(row.group, "path", {class: "late", d: late});
}

const seen_run = run => shown.view === "both" || shown.view === String(run.index);

/** Gives every row its height. Called when rows come or go. */
function lay_out() {
  let y = top_gap;
  const names = by_id("names"), rules = by_id("rules");
  names.replaceChildren();
  rules.replaceChildren();
  left = 62;
  for (let rank = 0; rank < first.ranks.length; ++rank) {
    let name = "rank " + rank;
    for (const row of rows.filter(r => r.rank === rank)) {
      row.seen = seen_run(row.run);
      row.group.style.display = row.seen ? "" : "none";
      if (!row.seen) continue;
      row.y = y;
      row.group.setAttribute("transform", `translate(0 ${y})`);
      const words = [name, lane_names[row.lane], shown.view === "both" && row.run.measured ? "measured" : ""].filter(s => s).join(" ");
      left = Math.max(left, 22 + 6.4 * words.length);
      add(names, "text", {class: name ? "" : "quiet", x: 0, y: y + high / 2 + 4, "text-anchor": "end"}, words);
      name = "";
      y += high + lane_gap;
    }
    for (const c of curves.filter(c => c.rank === rank)) {
      c.seen = shown.memory && seen_run(c.run);
      c.group.style.display = c.seen ? "" : "none";
      c.group.setAttribute("transform", `translate(0 ${y})`);
    }
    if (shown.memory) {
      const peaks = runs.filter(seen_run).map(r => number_words(r.ranks[rank].peak)), words = "holds \u2264 " + [...new Set(peaks)].join(", ");
      left = Math.max(left, 22 + 6.4 * words.length);
      add(names, "text", {class: "quiet", x: 0, y: y + curve / 2 + 6, "text-anchor": "end"}, words);
      y += curve + lane_gap;
    }
    if (rank + 1 < first.ranks.length) add(rules, "path", {class: "rule", d: `M0 ${Math.round(y + rank_gap / 2 - 2) + .5}H20000`});
    y += rank_gap;
  }
  for (const text of names.children) text.setAttribute("x", left - 9);
  bottom = y;
  draw();
}

const pixels = () => (width - left - right) / (view.to - view.from);
const x_of = t => left + (t - view.from) * pixels();
const row_of = (run, i) => rows.find(r => r.run === run && r.rank === run.rank[i] && r.lane === run.lane[i]);
const middle = (run, i) => row_of(run, i).y + (run.half[i] === 0 ? high / 2 : run.half[i] === 1 ? high / 4 : 3 * high / 4);
const hidden = (run, i) => shown.hidden.has(run.passes[run.pass[i]]);

/** The first of a row's actions that ends behind `t`. */
function first_behind(row, t) {
  let low = 0, above = row.actions.length;
  while (low < above) {
    const half = (low + above) >> 1;
    if (row.run.end[row.actions[half]] < t) low = half + 1; else above = half;
  }
  return low;
}

/** Draws all that depends on what is in sight. */
function draw() {
  const plot = by_id("plot");
  width = Math.max(320, by_id("chart").clientWidth);
  plot.setAttribute("height", bottom);
  for (const [key, v] of Object.entries({x: left, width: Math.max(0, width - left), height: bottom})) by_id("window").setAttribute(key, v);
  const scale = pixels();
  scaled.setAttribute("transform", `matrix(${scale / stretch} 0 0 1 ${left - view.from * scale} 0)`);
  plot.classList.toggle("dense", scale * first.usual < 4);
  draw_ticks();
  draw_labels(scale);
  draw_arrows();
}

function draw_ticks() {
  const axis = by_id("axis"), ticks = by_id("ticks");
  axis.replaceChildren();
  ticks.replaceChildren();
  const least = 78 / pixels(), power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map(k => k * power).find(s => s >= least * .999999);
  const digits = Math.max(4, Math.ceil(Math.log10(view.to / step)) + 2);
  for (let k = Math.ceil(view.from / step - 1e-9); k * step <= view.to * (1 + 1e-12); ++k) {
    const x = Math.round(x_of(k * step)) + .5;
    add(axis, "text", {class: "quiet", x, y: 17, "text-anchor": "middle"}, time_words(k * step, digits));
    add(ticks, "path", {class: "tick", d: `M${x} 0V${bottom}`});
  }
}

function draw_labels(scale) {
  const labels = by_id("labels");
  labels.replaceChildren();
  let many = 0;
  for (const row of rows) {
    if (!row.seen) continue;
    const {run, actions} = row;
    for (let k = first_behind(row, view.from); k < actions.length && run.start[actions[k]] < view.to && many < 6000; ++k) {
      const i = actions[k], w = (run.end[i] - run.start[i]) * scale;
      const narrow = w < 6.6 * run.label[i].length + 3 ? " narrow" : "";
      if (w < 5.2 * run.label[i].length + 2 || hidden(run, i)) continue;
      const long = scale * run.usual > 60 && w > 7 * run.names[i].length + 6;  // 2F5 where there is ample room
      const y = row.y + (run.half[i] === 0 ? high / 2 + 4 : run.half[i] === 1 ? 9.9 : high - 2.1);
      const hit = shown.search !== "" && run.journey[i] === shown.search ? " hit" : "";
      add(labels, "text", {class: `t${run.pass[i]}_${run.chunk[i]}${hit}${narrow}`, x: x_of((run.start[i] + run.end[i]) / 2), y}, long ? run.names[i] : run.label[i]);
      ++many;
    }
  }
}

/** Messages: all in sight where asked for, those of a searched micro-batch, and those of the action pointed at or chosen. */
function draw_arrows() {
  const arrows = by_id("arrows"), most = 4000;
  arrows.replaceChildren();
  let left_out = 0;
  const one = (run, m, own) => {
    const from = run.message_from[m], to = run.message_to[m];
    const x1 = x_of(run.sent[m]), x2 = x_of(run.taken[m]), y1 = middle(run, from), y2 = middle(run, to);
    if (x2 < left || x1 > width || hidden(run, from) || hidden(run, to)) return;
    if (arrows.children.length >= most && !own) return void ++left_out;
    const bend = Math.min(30, Math.max(4, (x2 - x1) / 2));
    add(arrows, "path", {class: own ? "arrow own" : "arrow", "marker-end": "url(#tip-of-arrow)", d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`});
  };
  for (const run of runs.filter(seen_run)) {
    const all = shown.messages;
    if (all || shown.search !== "")
      run.message_from.forEach((from, m) => { if (shown.search === "" ? all : run.journey[from] === shown.search) one(run, m, false); });
    for (const at of [pointed, chosen])
      if (at && at.run === run) for (const m of [...run.given[at.i], ...run.got[at.i]]) one(run, m, true);
  }
  by_id("note").textContent = left_out ? `${left_out} more messages are in sight; zoom in to see them.` : "";
}
)js";

}  // namespace stretto::inline v0::detail
