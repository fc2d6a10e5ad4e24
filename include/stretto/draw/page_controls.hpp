// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The second half of the page's script: zooming and moving, what is said of an action, searching, toggles, and the tables.
// Text is only ever set as text, so a name can't become markup.
#pragma once

namespace stretto::inline v0::detail {

inline constexpr const char page_controls[] = R"js(
let waiting = false;
/** Draws before the next frame, once however often asked. */
function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
}

function look_at(from, to) {
  const least = span / 1e5, wide = Math.min(span * 1.02, Math.max(least, to - from));
  const start = Math.min(Math.max((from + to - wide) / 2, -span * .01), span * 1.01 - wide);
  view.from = start;
  view.to = start + wide;
  redraw();
}
const fit = () => look_at(0, span * 1.005);
function zoom(factor, x = (left + width) / 2) {
  const t = view.from + (x - left) / pixels();
  look_at(t - (t - view.from) * factor, t + (view.to - t) * factor);
}
const move = pixel => { const t = pixel / pixels(); look_at(view.from + t, view.to + t); };

// Zooming and moving.
const chart = by_id("chart"), plot = by_id("plot");
plot.addEventListener("wheel", e => {
  e.preventDefault();
  const rate = e.deltaMode === 1 ? 30 : 1;
  if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) move((e.deltaX || e.deltaY) * rate);
  else zoom(Math.exp(Math.max(-300, Math.min(300, e.deltaY * rate)) * .002), e.clientX - plot.getBoundingClientRect().left);
}, {passive: false});
let drag = null;
plot.addEventListener("pointerdown", e => {
  if (e.button !== 0) return;
  drag = {x: e.clientX, moved: 0, at: e.target.at};
  plot.setPointerCapture(e.pointerId);
});
plot.addEventListener("pointermove", e => {
  if (drag) {
    drag.moved += Math.abs(e.clientX - drag.x);
    if (drag.moved > 3) { plot.classList.add("dragging"); point(null); move(drag.x - e.clientX); }
    drag.x = e.clientX;
  } else {
    point(e.target.at || null, e);
  }
});
plot.addEventListener("pointerup", () => {
  if (drag && drag.moved <= 3) choose(drag.at || null);
  drag = null;
  plot.classList.remove("dragging");
});
plot.addEventListener("pointercancel", () => { drag = null; plot.classList.remove("dragging"); });
plot.addEventListener("pointerleave", () => { if (!drag) point(null); });
chart.addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const keys = {ArrowLeft: () => move(-width / 8), ArrowRight: () => move(width / 8), "+": () => zoom(1 / 1.4), "=": () => zoom(1 / 1.4), "-": () => zoom(1.4),
    0: fit, Home: fit, Escape: () => choose(null), n: () => step_on(1), p: () => step_on(-1),
    w: () => { if (chosen && chosen.run.after[chosen.i] >= 0) choose({run: chosen.run, i: chosen.run.after[chosen.i]}, true); }};
  if (!Object.hasOwn(keys, e.key)) return;
  e.preventDefault();
  keys[e.key]();
});
by_id("fit").onclick = fit;
by_id("in").onclick = () => zoom(1 / 1.5);
by_id("out").onclick = () => zoom(1.5);

/** The action before or behind the chosen one on its lane; the first of all where none is chosen. */
function step_on(by) {
  if (!chosen) return first.count > 0 ? choose({run: first, i: 0}, true) : undefined;
  const {run, i} = chosen, actions = row_of(run, i).actions, k = actions.indexOf(i) + by;
  if (k >= 0 && k < actions.length) choose({run, i: actions[k]}, true);
}

function choose(at, bring) {
  if (chosen) chosen.run.boxes[chosen.i].classList.remove("chosen");
  chosen = at;
  if (!at) { by_id("tip").hidden = true; return redraw(); }
  const {run, i} = at, box = run.boxes[i];
  box.classList.add("chosen");
  if (bring && (run.start[i] < view.from || run.end[i] > view.to)) look_at((run.start[i] + run.end[i] - view.to + view.from) / 2, (run.start[i] + run.end[i] + view.to - view.from) / 2);
  draw();
  if (!bring) return;
  const r = box.getBoundingClientRect();
  say(at, r.right, r.bottom);
}

function point(at, e) {
  const other = !at !== !pointed || (at && pointed && (at.run !== pointed.run || at.i !== pointed.i));
  pointed = at;
  if (at) say(at, e.clientX, e.clientY); else by_id("tip").hidden = true;
  if (other) draw_arrows();
}

/** What is known of an action, beside the pointer. */
function say(at, x, y) {
  const {run, i} = at, tip = by_id("tip");
  tip.replaceChildren();
  const head = add(tip, "b"), swatch = add(add(head, "i"), "svg", {width: 12, height: 12});
  add(swatch, "rect", {class: `b${run.pass[i]}_${run.chunk[i]}`, width: 12, height: 12});
  add(head, "span", {}, run.names[i]);
  const list = add(tip, "dl"), line = (what, words) => { add(list, "dt", {}, what); add(list, "dd", {}, words); };
  const duration = run.end[i] - run.start[i];
  line("rank", run.rank[i] + (run.lane[i] ? ", " + lane_names[run.lane[i]] : "") + (runs.length > 1 ? run.measured ? ", measured" : ", foretold" : ""));
  line("start", time_words(run.start[i], 6));
  line("end", time_words(run.end[i], 6));
  line("takes", time_words(duration, 5) + (run.half[i] ? ", overlapped" : ""));
  if (run.after[i] >= 0) line("waited for", run.names[run.after[i]] + (run.rank[run.after[i]] !== run.rank[i] ? " of rank " + run.rank[run.after[i]] : ""));
  if (run.waited[i] > 0) line("idle before", time_words(run.waited[i]));
  if (run.slack[i] >= 0) line("slack", run.critical[i] ? "none: on the critical path" : time_words(run.slack[i]));
  const messages = [...run.got[i].map(m => "from rank " + run.rank[run.message_from[m]]), ...run.given[i].map(m => "to rank " + run.rank[run.message_to[m]])];
  if (messages.length) line("messages", [...new Set(messages)].slice(0, 6).join(", "));
  for (const other of runs) {
    const j = other === run ? undefined : other.of_name.get(run.names[i]);
    if (j === undefined) continue;
    const theirs = other.end[j] - other.start[j];
    line(other.measured ? "measured" : "foretold", `${time_words(theirs, 5)} from ${time_words(other.start[j], 5)}` + (theirs > 0 ? `, this is ${number_words(duration / theirs, 3)} \u00d7 as long` : ""));
  }
  tip.hidden = false;
  const size = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, x + 16 + size.width > innerWidth ? x - 12 - size.width : x + 16) + "px";
  tip.style.top = Math.max(4, y + 14 + size.height > innerHeight ? y - 10 - size.height : y + 14) + "px";
}

// Searching a micro-batch: its actions stay, the others fade, and its messages are drawn.
const journeys = [...new Set(runs.flatMap(r => r.journey))].filter(j => j !== "").sort((a, b) => a.localeCompare(b, "en", {numeric: true}));
function search(words) {
  shown.search = words.trim();
  let found = 0;
  for (const run of runs)
    run.boxes.forEach((box, i) => {
      const hit = shown.search !== "" && run.journey[i] === shown.search;
      found += hit;
      box.classList.toggle("hit", hit);
    });
  plot.classList.toggle("searching", shown.search !== "");
  draw();
  if (shown.search !== "" && found === 0) by_id("note").textContent = `No micro-batch ${shown.search}; there are ${journeys[0]} to ${journeys[journeys.length - 1]}.`;
}
const field = by_id("search");
field.oninput = () => search(field.value);
field.onkeydown = e => {
  if (e.key === "Escape") { field.value = ""; search(""); }
  if (e.key !== "Enter" || shown.search === "") return;
  let from = Infinity, to = -Infinity;
  for (const run of runs.filter(seen_run))
    run.journey.forEach((j, i) => { if (j === shown.search) { from = Math.min(from, run.start[i]); to = Math.max(to, run.end[i]); } });
  if (from < to) look_at(from - (to - from) * .05, to + (to - from) * .05);
};
const turn = by => {
  const k = journeys.indexOf(shown.search);
  field.value = journeys[k < 0 ? (by > 0 ? 0 : journeys.length - 1) : (k + by + journeys.length) % journeys.length] || "";
  search(field.value);
};
by_id("before").onclick = () => turn(-1);
by_id("behind").onclick = () => turn(1);

// Toggles.
const press = (button, on) => button.setAttribute("aria-pressed", String(on));
for (const what of ["memory", "messages", "critical"]) {
  const button = by_id(what), apply = () => { press(button, shown[what]); plot.classList.toggle("no-critical", !shown.critical); };
  button.onclick = () => { shown[what] = !shown[what]; apply(); lay_out(); };
  apply();
}
by_id("critical").hidden = !runs.some(r => r.critical.some(c => c));
by_id("messages").hidden = !runs.some(r => r.message_from.length);
by_id("view").hidden = runs.length < 2;
for (const button of by_id("view").children) {
  press(button, button.dataset.view === shown.view);
  button.onclick = () => {
    shown.view = button.dataset.view;
    for (const other of by_id("view").children) press(other, other === button);
    if (chosen && !seen_run(chosen.run)) choose(null);
    lay_out();
  };
}
const present = new Map();  // pass: its number and chunks
for (const run of runs) run.pass.forEach((p, i) => {
  const name = run.passes[p];
  if (!present.has(name)) present.set(name, {p, chunks: new Set()});
  present.get(name).chunks.add(run.chunk[i]);
});
for (const [name, {p, chunks}] of [...present].sort((a, b) => a[1].p - b[1].p)) {
  const chip = add(by_id("legend"), "button", {class: "chip", "aria-pressed": "true", title: "show or hide " + name});
  const list = [...chunks].sort((a, b) => a - b), swatch = add(add(chip, "i"), "svg", {width: 12 * list.length, height: 12});
  list.forEach((c, k) => add(swatch, "rect", {class: `b${p}_${c}`, x: 12 * k, width: 12, height: 12}));
  add(chip, "span", {}, name);
  chip.onclick = () => {
    const hide = !shown.hidden.delete(name);
    if (hide) shown.hidden.add(name);
    press(chip, !hide);
    for (const run of runs) run.boxes.forEach((box, i) => { if (run.passes[run.pass[i]] === name) box.style.display = hide ? "none" : ""; });
    draw();
  };
}

// Tables.
for (const run of runs) add(by_id("sub"), "div", {}, (runs.length > 1 ? run.title + ": " : "") + run.words + ` \u00b7 ${run.count} actions \u00b7 ${run.message_from.length} messages`);
function table(parent, heads, lines) {
  const t = add(parent, "table"), row = add(add(t, "thead"), "tr"), body = add(t, "tbody");
  for (const head of heads) add(row, "th", {scope: "col"}, head);
  for (const cells of lines) {
    const r = add(body, "tr");
    for (const cell of cells) { const d = add(r, "td"); if (cell instanceof Node) d.appendChild(cell); else d.textContent = cell; }
  }
  return t;
}
const causes = ["fill", "wait", "communication", "drain", "imbalance"];
const percent = v => (100 * v).toFixed(1) + " %";
{
  const lines = [];
  for (let rank = 0; rank < first.ranks.length; ++rank)
    for (const run of runs) {
      const r = run.ranks[rank], parts = document.createElement("div"), whole = run.makespan || 1;
      parts.className = "share";
      for (const what of ["work", ...causes]) add(parts, "span", {style: `width:${100 * r[what] / whole}%;background:var(--${what})`, title: `${what} ${time_words(r[what])}`});
      lines.push(["rank " + rank + (runs.length > 1 ? run.measured ? ", measured" : ", foretold" : ""), parts, time_words(r.work), ...causes.map(c => time_words(r[c])), percent(1 - r.work / whole), number_words(r.peak)]);
    }
  const t = table(by_id("ranks"), ["", "", "work", ...causes, "idle", "peak held"], lines);
  [...t.tHead.rows[0].cells].forEach(cell => {
    if (cell.textContent !== "work" && !causes.includes(cell.textContent)) return;
    const key = document.createElement("span");
    key.className = "key";
    key.style.background = `var(--${cell.textContent})`;
    cell.prepend(key);
  });
}
if (runs.length > 1) {
  const sums = run => {
    const by = new Map();
    run.pass.forEach((p, i) => {
      const name = run.passes[p], s = by.get(name) || {many: 0, sum: 0};
      by.set(name, {many: s.many + 1, sum: s.sum + run.end[i] - run.start[i]});
    });
    return by;
  };
  const [a, b] = runs.map(sums), parent = by_id("differences"), lines = [];
  for (const name of present.keys()) {
    const f = a.get(name), m = b.get(name);
    lines.push([name, String((m || f).many), f ? time_words(f.sum / f.many) : "", m ? time_words(m.sum / m.many) : "", f ? time_words(f.sum) : "", m ? time_words(m.sum) : "",
      f && m && f.sum > 0 ? number_words(m.sum / f.sum, 3) : ""]);
  }
  const idle = run => run.ranks.reduce((sum, r) => sum + run.makespan - r.work, 0), ratio = (x, y) => x > 0 ? number_words(y / x, 3) : "";
  lines.push(["idle, of all ranks", "", "", "", time_words(idle(runs[0])), time_words(idle(runs[1])), ratio(idle(runs[0]), idle(runs[1]))]);
  lines.push(["makespan", "", "", "", time_words(runs[0].makespan), time_words(runs[1].makespan), ratio(runs[0].makespan, runs[1].makespan)]);
  add(parent, "h2", {}, "Foretold and measured");
  const wide = add(parent, "div", {class: "wide"});
  table(wide, ["", "actions", "foretold mean", "measured mean", "foretold sum", "measured sum", "measured / foretold"], lines);
}

view.to = span * 1.005;
lay_out();
new ResizeObserver(redraw).observe(chart);
)js";

}  // namespace stretto::inline v0::detail
