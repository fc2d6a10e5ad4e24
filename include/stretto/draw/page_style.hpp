// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the page of html.hpp looks: its style, and its body without what the script fills in. Colours are named once, for light
// and for dark; those of passes are added by to_html.
#pragma once

namespace stretto::inline v0::detail {

inline constexpr const char page_style[] = R"css(
:root {
  color-scheme: light dark;
  --paper: #ffffff; --panel: #f6f8fa; --line: #e1e6eb; --ink: #1c2430; --quiet: #5a6675; --strong: #0b5cad;
  --held: #7f93aa; --mark: #1c2430;
  --fill: #b9c4d0; --wait: #d9a441; --communication: #b06fb0; --drain: #8fa3b8; --imbalance: #c96f5a; --work: #4c8c6a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161b; --panel: #1a2027; --line: #2b333d; --ink: #e7ebf0; --quiet: #98a4b1; --strong: #6db3ff;
    --held: #7f93aa; --mark: #ffffff;
    --fill: #56616e; --drain: #6e8195;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; padding: 18px 22px 40px; background: var(--paper); color: var(--ink); font: 14px/1.45 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 21px; font-weight: 650; letter-spacing: -.01em; }
h2 { margin: 26px 0 8px; font-size: 14px; font-weight: 650; }
.quiet { color: var(--quiet); }
#sub { margin: 2px 0 12px; }
#sub > div { overflow-wrap: anywhere; }

.bar { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; margin: 0 0 8px; }
.set { display: inline-flex; align-items: center; gap: 0; border: 1px solid var(--line); border-radius: 7px; overflow: hidden; background: var(--panel); }
.set button + button, .set input + button, .set button + input { border-left: 1px solid var(--line); }
button, .set input { font: inherit; font-size: 13px; color: inherit; background: transparent; border: 0; padding: 4px 10px; min-height: 28px; cursor: pointer; }
button:hover { background: var(--line); }
button:focus-visible, input:focus-visible, #chart:focus-visible { outline: 2px solid var(--strong); outline-offset: -2px; }
button[aria-pressed="true"] { background: var(--strong); color: var(--paper); }
.set input { width: 9.5em; cursor: text; }
.chip { display: inline-flex; align-items: center; gap: 6px; border-radius: 7px; padding: 4px 9px; }
.chip[aria-pressed="true"] { background: transparent; color: inherit; }
.chip[aria-pressed="true"]:hover { background: var(--line); }
.chip[aria-pressed="false"] { color: var(--quiet); text-decoration: line-through; }
.chip[aria-pressed="false"] i { opacity: .3; }
.chip i, .tip i { display: inline-flex; border-radius: 3px; overflow: hidden; }
.chip i svg, .tip i svg { display: block; }
#note { min-height: 1.4em; font-size: 13px; }

#chart { position: relative; border: 1px solid var(--line); border-radius: 9px; background: var(--paper); touch-action: pan-y; user-select: none; -webkit-user-select: none; }
#axis { position: sticky; top: 0; z-index: 2; display: block; width: 100%; height: 26px; background: var(--panel); border-bottom: 1px solid var(--line); border-radius: 8px 8px 0 0; }
#plot { display: block; width: 100%; cursor: grab; }
#plot.dragging { cursor: grabbing; }
svg text { fill: var(--ink); font: 11px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
svg text.quiet { fill: var(--quiet); }
.tick { stroke: var(--line); shape-rendering: crispEdges; }
.rule { stroke: var(--line); shape-rendering: crispEdges; }
.box { stroke: var(--paper); stroke-width: 1; vector-effect: non-scaling-stroke; cursor: pointer; }
.dense .box { stroke: none; shape-rendering: crispEdges; }
.box.instant { stroke: var(--own); stroke-width: 1.5; }
.box:hover, .box.chosen { stroke: var(--ink); stroke-width: 2; }
.searching .box { opacity: .13; }
.searching .box.hit { opacity: 1; }
.searching #labels text { opacity: .2; }
.searching #labels text.hit { opacity: 1; }
#labels, #arrows { pointer-events: none; }
#labels text { text-anchor: middle; }
#labels .narrow { font-size: 8.5px; }
.late { fill: var(--mark); }
.no-critical .late { display: none; }
.held { fill: var(--held); fill-opacity: .3; stroke: var(--held); vector-effect: non-scaling-stroke; }
.held.measured { fill: none; stroke: var(--ink); stroke-opacity: .75; }
.arrow { fill: none; stroke: var(--ink); stroke-width: 1; stroke-opacity: .5; }
.arrow.own { stroke-width: 1.6; stroke-opacity: 1; }
#head { fill: var(--ink); }

.tip { position: fixed; z-index: 5; max-width: 340px; padding: 8px 11px; border-radius: 8px; border: 1px solid var(--line); background: var(--panel); box-shadow: 0 6px 22px rgb(0 0 0 / .22); font-size: 12.5px; pointer-events: none; }
.tip b { display: flex; gap: 7px; align-items: center; font-size: 14px; margin-bottom: 3px; }
.tip dl { display: grid; grid-template-columns: auto 1fr; gap: 1px 12px; margin: 0; }
.tip dt { color: var(--quiet); }
.tip dd { margin: 0; font-variant-numeric: tabular-nums; }

.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 14px 4px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 500; color: var(--quiet); }
th:first-child, td:first-child, td.name { text-align: left; }
.share { display: flex; width: 240px; height: 12px; border-radius: 3px; overflow: hidden; background: var(--line); }
.share span { display: block; height: 100%; }
.key { display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 5px; }
kbd { font: 12px ui-monospace, "DejaVu Sans Mono", monospace; border: 1px solid var(--line); border-bottom-width: 2px; border-radius: 4px; padding: 0 4px; }
.help { margin-top: 8px; font-size: 12.5px; }
@media print { .bar, .help, .tip { display: none; } body { padding: 0; } }
)css";

inline constexpr const char page_body[] = R"html(
<div id="sub" class="quiet"></div>
<div class="bar">
  <span class="set" role="group" aria-label="zoom"><button id="fit" title="show all (0)">Fit</button><button id="out" aria-label="zoom out" title="zoom out (-)">&#8722;</button><button id="in" aria-label="zoom in" title="zoom in (+)">+</button></span>
  <span class="set" id="view" role="group" aria-label="which timeline" hidden><button data-view="both">Both</button><button data-view="0">Foretold</button><button data-view="1">Measured</button></span>
  <span class="set" role="group" aria-label="what is shown"><button id="memory">Memory</button><button id="messages">Messages</button><button id="critical">Critical path</button></span>
  <span class="set" role="search"><button id="before" aria-label="micro-batch before">&#8249;</button><input id="search" type="search" placeholder="micro-batch" aria-label="highlight a micro-batch" autocomplete="off" spellcheck="false"><button id="behind" aria-label="micro-batch behind">&#8250;</button></span>
  <span id="legend" role="group" aria-label="passes"></span>
</div>
<div id="chart" tabindex="0" role="group" aria-label="timeline">
  <svg id="axis" aria-hidden="true"></svg>
  <svg id="plot"><defs>
    <clipPath id="inside"><rect id="window" y="0"/></clipPath>
    <marker id="tip-of-arrow" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto" markerUnits="userSpaceOnUse"><path id="head" d="M0 1L8 4L0 7z"/></marker>
  </defs><g id="rules"></g><g clip-path="url(#inside)"><g id="ticks"></g><g id="scaled"></g><g id="labels"></g><g id="arrows"></g></g><g id="names"></g></svg>
</div>
<div id="note" class="quiet" aria-live="polite"></div>
<p class="help quiet">Wheel or <kbd>+</kbd> <kbd>-</kbd> zooms, dragging or <kbd>&#8592;</kbd> <kbd>&#8594;</kbd> moves, <kbd>0</kbd> shows all. Click an action, then <kbd>n</kbd> <kbd>p</kbd> go to the next and the one before, <kbd>w</kbd> to what it waited for, <kbd>Esc</kbd> lets go.</p>
<h2>Ranks</h2><div class="wide" id="ranks"></div>
<div id="differences"></div>
<div id="tip" class="tip" role="tooltip" hidden></div>
)html";

}  // namespace stretto::inline v0::detail
