# SPDX-License-Identifier: Apache-2.0
# The tables of report.sh. Input: results.json of each seed. $what: page, the HTML; else the points of a plot as TSV, a block a
# curve. $plots: [{name: SVG in base64}].

include "parts";

def rows($name): .tables[$name].rows // [];
def row($name; $measure): rows($name) | map(select(.measure == $measure)) | first;
def by_of($name; $of; $measure): rows($name) | map(select(.of == $of and .measure == $measure)) | first;
def total($policy): .tables[$policy + ".accuracy"].total;
def mean($policy; $measure): rows($policy + ".length") | map(select(.source == "total" and .measure == $measure)) | first;
def rounds: ["sft"] + [.policies[] | select(startswith("dpo"))];
def last_round: rounds | last;
def ablation: .policies | map(select(test("^(answer|outcome)"))) | (map(sub("^[a-z]+"; "") | tonumber) | max) as $r
  | map(select(endswith($r | tostring))) + if $r == null then [] else ["dpo\($r)"] end;
def searched: . as $s | .policies | map(select($s.tables[. + ".scaling"]));
def called: {direct: "SFT, direct answers", sft: "SFT, chains of steps"}[.]
  // (capture("(?<what>[a-z]+)(?<r>[0-9]+)") | {dpo: "DPO round ", answer: "DPO, answer score only, round ", outcome: "DPO, outcome, round "}[.what] + .r);

# ---- points of the plots ----
def curve_name($seed; $p): "scaling-\($p)-seed\($seed)";
def curve_names: .[] | .seed as $seed | searched[] | curve_name($seed; .);
def lines($name): ([$name | @json] | join("\t")), (.[] | map(. // "nan" | tostring) | join("\t")), "", "";
def seeds(f): .[] | "seed \(.seed)" as $name | [f] | lines($name);
def points:
  if $what == "accuracy" then seeds(. as $s | rounds | to_entries[] | .key as $r | .value as $p | $s | total($p) | [$r, .accuracy, .low, .high])
  elif $what == "steps" or $what == "tokens" then
    seeds(. as $s | rounds | to_entries[] | .key as $r | .value as $p | $s | mean($p; $what) | [$r, .value, .low, .high])
  elif $what == "weights" then .[] | . as $s | searched[] as $p
    | [$s.tables[$p + ".weights"][] | [.weight, .accuracy, .low, .high]] | lines("\($p | called), seed \($s.seed)")
  elif $what == "reliability" then seeds(rows("bins")[] | select(.of == "step" and .n > 0) | [.mean_score, .value, .low, .high])
  elif $what == "curves" then curve_names
  elif $what == "table" then (["seed", "model", "questions", "right", "unparsed", "accuracy", "low", "high", "steps", "tokens"] | @tsv),
    (.[] | . as $s | .policies[] as $p | $s | total($p) | [$s.seed, ($p | called), .n, .correct, .unparsed, .accuracy, .low, .high, .steps, .tokens] | @tsv)
  else .[] | . as $s | searched[] as $p | select(curve_name($s.seed; $p) == $what) | $s | rows($p + ".scaling") | group_by(.method)[] | .[0].method as $m
    | [sort_by(.N)[] | [.N, .value, .low, .high, .tokens]] | lines($m) end;

# ---- the page ----
def range: "<td class=\"ci\">" + (if .low == null then "–" else "\(.low | percent) – \(.high | percent)" end) + "</td>";
def milli: . * 1000 | round / 1000;
def number: if . == null then "–" else fixed1 end;
def shown: if .measure | test("auroc|brier|ece|kappa|f1|corr|accuracy|share") then (.value | milli | tostring) else .value | number end;
def table($heads; $body): "<div class=\"scroll\"><table><thead><tr>" + ($heads | map("<th\(if IN("paper", "here", "value") then " class=\"text\"" else "" end)>\(.)</th>") | join("")) + "</tr></thead><tbody>"
  + ($body | join("\n")) + "</tbody></table></div>";
def curves($names): "<div class=\"curves\">" + ($names | map(select($plots[0][.]) | "<img alt=\"\(.)\" src=\"data:image/svg+xml;base64,\($plots[0][.])\">") | join("")) + "</div>";

def policy_row($seed; $p): total($p) as $t | by_of($p + ".truth"; "step"; "share_right") as $s
  | "<tr><th>\($p | called)</th><td>\($seed)</td><td>\($t.n)</td><td>\($t.unparsed)</td><td><strong>\($t.accuracy | percent)</strong></td>\($t | range)<td>\($t | bar)</td>"
  + "<td>\($s.value | if . == null then "–" else percent end)</td><td>\($t.steps | number)</td><td>\($t.tokens | number)</td></tr>";
def policies($list): . as $all | table(["model, greedy", "seed", "questions", "unparsed", "accuracy", "95 % interval", "", "steps right", "steps", "tokens"];
  [.[0] | $list[] as $p | $all[] | . as $s | select(total($p)) | policy_row($s.seed; $p)]);

# one line a claim: what the paper says, what came out, whether they agree (null: too close to say)
def points_of: (.value * 100 | fixed1) + " points (" + (.low * 100 | fixed1) + " to " + (.high * 100 | fixed1) + ")";
def sure($least): if .low == null then null elif .high < $least or .high <= 0 then false elif .low > 0 and .value >= $least then true else null end;
def difference($a; $b; $least): row("compare.\($a)-\($b)"; "difference") | if . == null then {} else {text: points_of, ok: sure($least)} end;
def at_most_n($p; $method): rows($p + ".scaling") | map(select(.method == $method)) | max_by(.N) // {};
def claims: . as $s | last_round as $last
  | [{claim: "Chains of steps beat direct answers after SFT", paper: "+8.7 points (LLaVA-NeXT)"} + difference("direct"; "sft"; 0),
     {claim: "DPO by the reward model improves on SFT", paper: "+3.4 points; wanted here: 8"} + difference("sft"; $last; 0.08),
     (searched[] as $p | $s | by_of($p + ".judged"; "step"; "accuracy") as $j | by_of("prm"; "step"; "accuracy") as $h | by_of("labels"; "step"; "accuracy") as $l
      | {claim: "\($p | called): step accuracy of the reward model against the truth", paper: "87.3 %", ok: (if $j.value == null then null else $j.value >= 0.873 end),
         text: "\($j.value | percent) (\($j.low | percent) – \($j.high | percent)); on the labels' questions \($h.value | percent), the labels themselves \($l.value | percent)"}),
     (searched[] as $p | $s | at_most_n($p; "beam") as $beam | at_most_n($p; "best") as $best | at_most_n($p; "vote") as $vote
      | {claim: "\($p | called): at N = \($vote.N) beam ≥ best-of-N ≥ vote, beam ≥ vote + 5 points", paper: "beam > best-of-N > vote; 5 points at N = 64",
         text: "\($beam.value | percent), \($best.value | percent), \($vote.value | percent)",
         ok: ($beam.value >= $best.value and $best.value >= $vote.value and $beam.value >= $vote.value + 0.05)}),
     (searched[] as $p | ($s.tables[$p + ".weights"] | max_by(.accuracy)) as $peak
      | {claim: "\($p | called): best-of-N is best with both step and answer scores", paper: "peak at step weight 0.2",
         ok: ($peak.weight > 0 and $peak.weight < 1), text: "peak at \($peak.weight): \($peak.accuracy | percent)"}),
     (ablation[] | select(startswith("dpo") | not) | . as $a | ("dpo" + ($a | sub("^[a-z]+"; ""))) as $d
      | (if startswith("answer") then {claim: "Steps and answer beat the answer score alone as reward", paper: "+1.6, +1.6, +2.0 points"}
         else {claim: "Steps and answer beat the outcome as reward", paper: "+1.2, +0.8, +1.7 points"} end)
        + ($s | difference($a; $d; 0))),
     (mean("sft"; "steps") as $a | mean("dpo1"; "steps") as $b | mean($last; "steps") as $c
      | {claim: "Chains get shorter first, then slowly longer", paper: "shorter, then slowly longer", ok: ($b.value < $a.value and $c.value >= $b.value),
         text: "steps \($a.value | number), \($b.value | number) after one round, \($c.value | number) at the end"})];
def claim_table: table(["claim", "paper", "seed", "here", "same direction"];
  [.[] | .seed as $seed | claims[] | "<tr><th class=\"text\">\(.claim)</th><td class=\"text\">\(.paper)</td><td>\($seed)</td><td class=\"text\">\(.text // "–")</td><td>\(mark(.ok))</td></tr>"]);

def measured($name; $of; $k): by_of($name; $of; $k) | if .value == null then "<td>–</td><td></td>" else
  "<td><strong>\(shown)</strong></td><td class=\"ci\">" + (if .low == null then "–" else "\(.low | milli) – \(.high | milli)" end) + "</td>" end;
def measures($of): ["accuracy", "auroc", "f1_right", "f1_wrong", "share_right", "brier", "ece", "corr_steps", "corr_tokens"] as $m
  | (.[0] | searched) as $searched
  | table(["\($of) scores", "seed"] + [$searched[] | "reward model, \(.) search", "95 % interval"] + ["reward model, held out", "95 % interval", "labels, held out", "95 % interval"];
    [.[] | . as $s | $m[] as $k | "<tr><th>\($k)</th><td>\($s.seed)</td>" + ([$searched[] + ".judged", "prm", "labels" | . as $name | $s | measured($name; $of; $k)] | join("")) + "</tr>"]);
def counts: [.[0] | searched[] as $p | "\(by_of($p + ".judged"; "step"; "accuracy").n) steps of the \($p) model's paths in the search below"]
  + [.[0] | "held out: \(by_of("prm"; "step"; "accuracy").n) steps of fresh questions, which the rollouts labelled too"] | join("; ");
def scaling_table: table(["model", "method", "seed", "N", "accuracy", "95 % interval", "tokens a question"];
  [.[] | . as $s | searched[] as $p | $s | rows($p + ".scaling")[] | "<tr><th>\($p | called)</th><td>\(.method)</td><td>\($s.seed)</td><td>\(.N)</td><td><strong>\(.value | percent)</strong></td>\(range)<td>\(.tokens | number)</td></tr>"]);
def weight_table: table(["model", "step weight", "seed", "best-of-N", "95 % interval", ""];
  [.[] | . as $s | searched[] as $p | $s.tables[$p + ".weights"][] | "<tr><th>\($p | called)</th><td>\(.weight)</td><td>\($s.seed)</td><td><strong>\(.accuracy | percent)</strong></td>\(range)<td>\(bar)</td></tr>"]);
def pair_table: ["n", "gap", "step_gap", "answer_gap", "decided_by_step", "chosen_right", "rejected_wrong", "steps_difference", "tokens_difference"] as $k
  | table(["pairs of", "seed"] + $k; [.[] | . as $s | .policies[] | select($s.tables[. + ".pairs"]) | . as $p
    | "<tr><th>\(called)</th><td>\($s.seed)</td>" + ([$k[] as $m | $s | if $m == "n" then row($p + ".pairs"; "gap").n else row($p + ".pairs"; $m).value end
      | "<td>\(if . == null then "–" else milli end)</td>"] | join("")) + "</tr>"]);
def size_table: table(["size", "value"]; [.[0].sizes | to_entries[] | "<tr><th>\(.key)</th><td class=\"text\">\(.value | esc)</td></tr>"]);

def page: . as $all | (.[0] | rounds) as $rounds | (.[0] | ablation) as $ablation | [curve_names] as $scaling
  | "<h2>Against the paper</h2>\(claim_table)<p class=\"note\">✓ the paper's direction and, where a size is asked for, the size; ✗ not; · the interval leaves both open.</p>",
    "<h2>Models</h2>\(policies(["direct"] + $rounds))", curves(["accuracy", "steps", "tokens"]),
    "<p class=\"note\">Each round begins with: \(.[0].sizes.START | esc). Its reference: \(.[0].sizes.REF | esc). Steps right: by the world's exact truth.</p>",
    "<h2>Reward model</h2>\(measures("step"))\(measures("answer"))", curves(["reliability"]),
    "<p class=\"note\">Against exact truth, seed \(.[0].seed): \(counts).</p>",
    "<h2>Accuracy against the number of paths, and against tokens</h2>", curves([$scaling[] | ., . + "-tokens"]), scaling_table,
    "<h2>Weight of the steps in best-of-N</h2>", curves(["weights"]), weight_table,
    "<h2>What is rewarded</h2>\(policies($ablation))",
    "<h2>Pairs</h2>\(pair_table)",
    "<h2>Sizes</h2>\(size_table)",
    "<h2>\(.[0] | last_round | called), seed \(.[0].seed), by source</h2>";

[inputs] | if $what == "page" then page else points end
