/** How much a form speaks for a language (against it where negative), and the form. */
export type Mark = readonly [weight: number, pattern: RegExp];

/** Those of shells, queries, styles, rules of builds and other languages for one purpose; see `profiles.ts`. */
export const SPECIAL_PROFILES: Readonly<Record<string, readonly Mark[]>> = {
  shell: [
    [3, /^[ \t]*(?:if|elif|while) (?:! )?\[{1,2} [^\n]* \]{1,2}(?:; ?(?:then|do))?[ \t\r]*$/gm],
    [3, /^[ \t]*(?:fi|done|esac)\b/gm],
    [2, /^[ \t]*(?:then|do)[ \t\r]*$|; (?:then|do)[ \t\r]*$/gm],
    [2, /^[ \t]*(?:export )?[A-Za-z_]\w*=(?:"[^"\n]*"|'[^'\n]*'|\$[\w({][^\n]*|[\w./-]*)[ \t\r]*$/gm],
    [2, /"\$\{?[\w@#*]+[^"\n]*"|\$\([\w./-]+ [^\n]*\)/g],
    [2, /^[ \t]*(?:echo|set -[euxo]+|source|sudo|mkdir -p|cd|exit \d|apt-get|printf|local) /gm],
    [3, /^[ \t]*(?:function )?\w+ ?\(\) ?\{[ \t\r]*$/gm],
    [-3, /^[ \t]*\$\w+ = |;[ \t\r]*$|^[ \t]*(?:def|class|import|local \w+ = |var|const) /gm],
  ],
  powershell: [
    [
      4,
      /\b(?:Get|Set|New|Remove|Write|Import|Export|Invoke|Add|Test|Start|Stop|ConvertTo|Select|Where|ForEach)-[A-Z]\w+/g,
    ],
    [3, /^[ \t]*\$\w+(?:\.\w+)* \+?= [^\n;]*$/gm],
    [4, /^[ \t]*(?:param|Param)\s*\(|\[(?:string|int|bool|switch|Parameter|CmdletBinding)\b[^\n\]]*\]\$?/gim],
    [3, / -(?:eq|ne|gt|lt|like|match|and|or|not|Path|Name|ErrorAction)\b/g],
    [3, /^[ \t]*function [A-Z]\w*-\w+/gm],
    [-4, /^#!|;[ \t\r]*$|^[ \t]*(?:fi|done|esac)[ \t\r]*$|->|<\?php/gm],
  ],
  solidity: [
    [4, /^pragma solidity [^\n]+;/gm],
    [4, /^[ \t]*(?:abstract )?contract \w+(?: is [\w, ]+)? \{/gm],
    [
      3,
      /\bmapping\s*\(|\baddress(?: payable)? (?:public |private |indexed )?\w+|\buint(?:256|8|128)? (?:public |private )?\w+/g,
    ],
    [3, /\bmsg\.(?:sender|value)\b|\brequire\([^\n]*;|\bemit \w+\(/g],
    [3, /\bfunction \w*\([^\n]*\) (?:public|external|internal|private)\b/g],
    [1, /^[ \t]*(?:event|modifier|struct) \w+/gm],
  ],
  css: [
    [3, /^[ \t]*(?:[.#]?[a-zA-Z][\w-]*|\*|:root|::?[\w-]+)(?:[ ,>+~.:#[\]="\w()-]*)\s*\{[ \t\r]*$/gm],
    [
      3,
      /^[ \t]*(?:--[\w-]+|(?:margin|padding|color|background|font|border|display|width|height|position|top|left|right|bottom|flex|grid|overflow|text|line|z|opacity|transition|cursor|max|min|box|align|justify|content|gap)(?:-[a-z-]+)*)\s*:\s*[^\n{};]+;/gm,
    ],
    [4, /^[ \t]*@(?:media|keyframes|font-face|import|supports|charset)\b/gm],
    [1, /#[0-9a-fA-F]{3,6};|\d(?:px|em|rem|vh|%)\b/g],
    [
      -4,
      /^[ \t]*(?:function|class|import|if|for|while|def|struct|func|fn|using|public|private|return|const|let|var|type|interface)\b|\w\([^\n]*\) \{[ \t\r]*$|=/gm,
    ],
  ],
  lua: [
    [3, /^[ \t]*local (?:function )?\w+(?:, \w+)*(?: = |\()/gm],
    [3, /^[ \t]*(?:local )?function [\w.:]*\([^\n)]*\)[ \t\r]*$/gm],
    [2, /\b(?:then|do)[ \t\r]*$|^[ \t]*elseif [^\n]* then[ \t\r]*$/gm],
    [1, /^[ \t]*end[,)]?[ \t\r]*$/gm],
    [2, /~=|\bnil\b|\bipairs\(|\bpairs\(|\brequire ?\(?["']|\.\. ?["'\w]/g],
    [1, /^[ \t]*--(?:\[\[)? ?\w/gm],
    [-4, /\{\s*\|\w|;[ \t\r]*$|\bfi[ \t\r]*$|\bbegin[ \t\r]*$|\bdef \w|\bfunc \w|^[ \t]*end\s*\w+[ \t\r]*$/gm],
  ],
  perl: [
    [4, /^use (?:strict|warnings|utf8|v?5[\d.]*|lib|base|parent|Data::Dumper|[A-Z]\w*(?:::\w+)+)\b[^\n]*;[ \t\r]*$/gm],
    [3, /^[ \t]*(?:my|our) [$@%(][^\n]*;/gm],
    [3, /^[ \t]*sub \w+(?:\([^\n)]*\))?\s*\{/gm],
    [3, /=~ ?(?:m|s|tr|qr)?[/{!]|\bshift;|\bqw\(|\$_\b|@_\b|\$\w+->[{[]/g],
    [2, /^(?:package [\w:]+;|1;)[ \t\r]*$/gm],
    [1, /\bprint(?:f)? (?:"|STDERR)|\bdie |\bforeach my \$/g],
    [-4, /<\?php|^[ \t]*function |\becho /gm],
  ],
  r: [
    [3, /^[ \t]*[\w.]+ <- function\(/gm],
    [2, /^[ \t]*[\w.$[\], "]+ <- [^\n;]+$/gm],
    [4, /^(?:library|require)\(\w+\)[ \t\r]*$/gm],
    [3, /%>%|\bdata\.frame\(|\bggplot\(|\bc\("[^\n]*\)|\bTRUE\b|\bFALSE\b|\bNULL\b|\bread\.csv\(/g],
    [-4, /;[ \t\r]*$|\bdef \w|\bfunc \w|^import |^[ \t]*where[ \t\r]*$| :: /gm],
  ],
  sql: [
    [
      4,
      /^[ \t]*(?:CREATE|create) (?:OR REPLACE |TEMP(?:ORARY)? |UNIQUE |or replace |unique )?(?:TABLE|VIEW|INDEX|FUNCTION|PROCEDURE|TRIGGER|DATABASE|table|view|index|function)\b/gm,
    ],
    [
      4,
      /^[ \t]*(?:INSERT INTO|insert into|DELETE FROM|delete from|ALTER TABLE|alter table|DROP TABLE|drop table) [\w.`"[\]]+/gm,
    ],
    [3, /^[ \t]*(?:SELECT|select)\b[^\n]*$/gm],
    [2, /^[ \t]*(?:FROM|WHERE|GROUP BY|ORDER BY|(?:LEFT |INNER |RIGHT )?JOIN|HAVING|UNION|LIMIT)\b[^\n]*$/gm],
    [2, /^[ \t]*(?:from|where|group by|order by|left join|inner join|join) [\w.]+[^\n]*(?:[=,;]| on )[^\n]*$/gm],
    [2, /\b(?:VARCHAR|INTEGER|BIGINT|PRIMARY KEY|NOT NULL|FOREIGN KEY|DEFAULT|varchar|primary key|not null)\b/g],
    [
      -4,
      /^[ \t]*(?:def|function|class|import|public|package|using|const|let|var|fn|#include|my|use)\b[^\n]*[{(:;][ \t\r]*$/gm,
    ],
  ],
  haskell: [
    [3, /^\w+'? :: [^\n]+$/gm],
    [4, /^module [A-Z][\w.]*(?:\s*\([^\n]*)?(?: where)?[ \t\r]*$/gm],
    [3, /^import (?:qualified )?[A-Z][\w.]*(?: as \w+)?(?: (?:hiding )?\([^\n]*)?[ \t\r]*$/gm],
    [3, /^(?:data|newtype|instance|class|type) [A-Z][^\n]*(?: = | where[ \t\r]*$)/gm],
    [2, /<\$>|>>=|\bderiving \(|^\{-# LANGUAGE| <- \w+|\bcase \w[^\n]* of[ \t\r]*$|^[ \t]*where[ \t\r]*$/gm],
    [-4, /;[ \t\r]*$|\{[ \t\r]*$|^[ \t]*def |\bimport [a-z]/gm],
  ],
  vue: [
    [4, /^<template(?: lang="\w+")?>[ \t\r]*$/gm],
    [4, /^<\/template>[ \t\r]*$/gm],
    [4, /^<script (?:setup|lang="ts"|setup lang="ts")>[ \t\r]*$/gm],
    [3, /\bv-(?:if|for|model|bind|on|else|show)\b|\s@(?:click|input|change|submit)[\w.]*=|\s:\w[\w-]*="/g],
    [2, /\bexport default \{[ \t\r]*$|\bdefineProps\b|^<style(?: scoped)?[^\n>]*>[ \t\r]*$/gm],
  ],
  make: [
    [4, /^\.PHONY:/gm],
    [3, /^\t@?(?:\$\(\w+\)|gcc|cc|rm|mkdir|echo|cp|go|npm|python|docker|cargo)\b/gm],
    [3, /^[\w./%$()-]+ ?:(?!=)[^\n=]*$(?=\n\t)/gm],
    [2, /^[A-Z_]+ *[:?+]?= *[^\n;]*$/gm],
    [2, /\$\([A-Z_]+\)|\$[@<^]/g],
    [-4, /;[ \t\r]*$|\{[ \t\r]*$|^[ \t]*(?:def|class|import|function|local) /gm],
  ],
  cmake: [
    [
      4,
      /^[ \t]*(?:cmake_minimum_required|find_package|add_(?:executable|library|subdirectory)|target_\w+|set_target_properties|include_directories)\s*\(/gim,
    ],
    [
      3,
      /^[ \t]*(?:set|if|else|elseif|endif|foreach|endforeach|function|endfunction|macro|endmacro|message|option|string|list|get_filename_component)\s*\([^\n;{]*$/gim,
    ],
    [1, /\$\{\w+\}/g],
    [-4, /;[ \t\r]*$|\{[ \t\r]*$|\$\w/gm],
  ],
  wgsl: [
    [4, /^[ \t]*@(?:group|binding|compute|vertex|fragment|workgroup_size)\b/gm],
    [4, /\bvar<(?:storage|uniform|workgroup|private)\b|\bvec[234]<?[fiu]|: (?:f32|u32|i32)\b[^\n]*$|\barray<f32/gm],
    [1, /^fn \w+\(/gm],
    [-4, /\blet mut\b|\bimpl \b|&mut |^[ \t]*#include|\buse \w+::/gm],
  ],
  dockerfile: [
    [4, /^FROM [\w./:${}@-]+(?: (?:AS|as) \w+)?[ \t\r]*$/gm],
    [3, /^RUN (?:apt-get|apk|pip|npm|yum|go|cargo|mkdir|curl|set)\b/gm],
    [2, /^(?:COPY|ADD|WORKDIR|ENV|EXPOSE|CMD|ENTRYPOINT|ARG|USER|VOLUME) [^\n]+$/gm],
  ],
};
