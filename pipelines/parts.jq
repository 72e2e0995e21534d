# SPDX-License-Identifier: Apache-2.0
# What page.jq and report.jq share.
def esc: if . == null then "" else tostring | @html end;
def fixed1: . * 10 | round / 10 | tostring | if test("\\.") then . else . + ".0" end;
def percent: . * 100 | fixed1 + " %";
def mark($ok): if $ok == null then "<span class=\"mark\">·</span>"
  elif $ok then "<span class=\"mark good\" title=\"right\">✓</span>"
  else "<span class=\"mark bad\" title=\"wrong\">✗</span>" end;
# of {accuracy, low, high}
def bar: "<div class=\"bar\"><i style=\"width:\(.accuracy * 100)%\"></i>"
  + "<b style=\"left:\(.low * 100)%;width:\((.high - .low) * 100)%\"></b></div>";
