# SPDX-License-Identifier: Apache-2.0
# The page of page.sh. Input: the paths to show, one JSON record a line. Variables: $title; $facts: [[name, value], ...];
# $table: cos-eval accuracy --json; $steps: the step counts of page.sh; $header: the stream's header, or null; $before: HTML.

include "parts";

def truth: [.[]? | select(.by == "truth")] | last;

def row($class): "<tr\($class)><th>\(.name | esc)</th><td>\(.n)</td><td>\(.correct)</td><td>\(.unparsed)</td>"
  + "<td><strong>\(.accuracy | percent)</strong></td><td class=\"ci\">\(.low | percent) – \(.high | percent)</td><td>\(bar)</td>"
  + "<td>\(.steps | fixed1)</td><td>\(if .tokens == null then "–" else .tokens | fixed1 end)</td></tr>";

def accuracy_table: "<table><thead><tr><th>\($table.by | esc)</th><th>questions</th><th>right</th><th>unparsed</th><th>accuracy</th>"
  + "<th>95 % interval</th><th></th><th>steps</th><th>tokens</th></tr></thead><tbody>"
  + ([$table.rows[] | row("")] | join("\n")) + ($table.total | row(" class=\"total\"")) + "</tbody></table>"
  + "<p class=\"note\">Interval: \($table.interval | esc). A path without a readable answer counts as wrong.</p>";

def step_table: if $steps.steps == 0 then "" else
  "<h2>Steps against the truth</h2><table><thead><tr><th>step</th><th>paths with it</th><th>right</th><th>share right</th><th></th></tr></thead><tbody>"
  + ([$steps.by_place[] | "<tr><th>\(.place)</th><td>\(.n)</td><td>\(.right)</td><td><strong>\(.right / .n | percent)</strong></td>"
      + "<td><div class=\"bar\"><i style=\"width:\(100 * .right / .n)%\"></i></div></td></tr>"] | join("\n"))
  + "</tbody></table><p class=\"note\">\($steps.right) of \($steps.steps) steps are right"
  + ([$steps.why[] | "; \(.n) \(.why | esc)"] | join("")) + ". Paths with a right answer whose steps are all right: "
  + "\($steps.clean) of \($steps.correct).</p>" end;

def picture: [.images[]? | if .data["$bin"]? then .data["$bin"] else .inline? // empty end | gsub("[^A-Za-z0-9+/=]"; "")
  | "<img alt=\"\" src=\"data:image/png;base64,\(.)\">"] | join("");

def step_item: (.labels | truth) as $t
  | "<li>\(mark(if $t == null then null else $t.value >= 0.5 end))<div><span class=\"name\">\(.name | esc)</span>"
  + "<span class=\"thought\">\(.thought | esc)</span><span class=\"reflection\">\(.reflection | esc)</span>"
  + (if $t.why then "<span class=\"why\">\($t.why | esc)</span>" else "" end) + "</div></li>";

def card: "<article><figure>\(picture)</figure><div class=\"text\"><p class=\"source\">\(.source | esc) · \(.id | esc)</p>"
  + "<h3>\(.question | esc)</h3><ol>\([.path.steps[]? | step_item] | join(""))</ol>"
  + "<p class=\"answer\">\(mark(.path.correct)) answer <strong>\(.path.answer // "missing" | esc)</strong>"
  + (if .path.correct == false then " <span class=\"note\">right: \(.answer | esc)</span>" else "" end) + "</p></div></article>";

def fact_list: if $facts == [] then "" else
  "<dl>" + ([$facts[] | "<div><dt>\(.[0] | esc)</dt><dd>\(.[1] | esc)</dd></div>"] | join("")) + "</dl>" end;

def made_by: [$header.provenance[]? | "<li><code>\([.program] + (.args // []) | map(tostring) | join(" ") | esc)</code></li>"]
  | if . == [] then "" else "<h2>How these paths were made</h2><ol class=\"made\">\(join("\n"))</ol>" end;

def style: "
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #1c2430; --soft: #667085; --line: #e3e7ee;
  --good: #15803d; --bad: #c2262e; --bar: #4f7cd6; --track: #e6eaf2; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161d; --card: #1b212b; --ink: #e6e9ef; --soft: #98a2b3; --line: #2c3442;
  --good: #4ade80; --bad: #ff7b7b; --bar: #6f9bf0; --track: #2a3240; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; margin: 0 0 16px; } h2 { font-size: 18px; margin: 36px 0 12px; } h3 { font-size: 15px; margin: 2px 0 8px; }
table { border-collapse: collapse; width: 100%; background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
th, td { padding: 6px 12px; text-align: right; font-variant-numeric: tabular-nums; border-top: 1px solid var(--line); white-space: nowrap; }
thead th { border-top: 0; color: var(--soft); font-weight: 500; font-size: 13px; }
tbody th, thead th:first-child { text-align: left; font-weight: 500; }
tr.total th, tr.total td { border-top: 2px solid var(--line); font-weight: 600; }
.scroll { overflow-x: auto; } .ci, .note { color: var(--soft); font-size: 13px; } .note { margin: 8px 2px; }
.bar { position: relative; width: 140px; height: 10px; background: var(--track); border-radius: 5px; }
.bar i { position: absolute; left: 0; top: 0; bottom: 0; background: var(--bar); border-radius: 5px; }
.bar b { position: absolute; top: 3px; height: 4px; background: var(--ink); border-radius: 2px; opacity: .65; }
dl { display: flex; flex-wrap: wrap; gap: 8px 28px; margin: 0 0 20px; } dt { color: var(--soft); font-size: 13px; } dd { margin: 0; font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(500px, 1fr)); gap: 16px; }
article { display: flex; gap: 16px; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px; }
figure { margin: 0; } figure img { width: 192px; border-radius: 4px; border: 1px solid var(--line); image-rendering: pixelated; display: block; }
.text { flex: 1; min-width: 0; } .source { color: var(--soft); font-size: 12px; margin: 0; }
ol { list-style: none; margin: 0; padding: 0; } li { display: flex; gap: 8px; padding: 3px 0; }
.name { font-weight: 600; margin-right: 8px; } .thought { margin-right: 8px; } .reflection { color: var(--soft); font-style: italic; }
.why { color: var(--bad); border: 1px solid currentColor; border-radius: 8px; font-size: 11px; padding: 0 6px; margin-left: 8px; white-space: nowrap; }
.mark { font-weight: 700; width: 1em; display: inline-block; flex: none; } .good { color: var(--good); } .bad { color: var(--bad); }
.answer { margin: 8px 0 0; padding-top: 8px; border-top: 1px solid var(--line); }
.made { counter-reset: n; } .made li { counter-increment: n; } .made li::before { content: counter(n) '.'; color: var(--soft); }
code { font: 13px ui-monospace, 'SF Mono', Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.curves { display: flex; flex-wrap: wrap; gap: 16px; margin: 16px 0; } .curves img { width: 532px; max-width: 100%; background: #fff; border: 1px solid var(--line); border-radius: 10px; }
thead th.text, td.text, tbody th.text { text-align: left; white-space: normal; }
@media (max-width: 560px) { .cards { grid-template-columns: 1fr; } article { flex-direction: column; } }
";

"<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
"<title>\($title | esc)</title><style>\(style)</style></head><body><main><h1>\($title | esc)</h1>",
fact_list, $before,
"<h2>Accuracy</h2><div class=\"scroll\">\(accuracy_table)</div>",
"<div class=\"scroll\">\(step_table)</div>",
"<h2>Paths</h2><div class=\"cards\">", (inputs | card), "</div>",
made_by,
"</main></body></html>"
