#!/usr/bin/env python3
"""Writes chat_golden.jsonl: small templates, conversations, and what transformers makes of them.

    pip install transformers jinja2
    python make_chat_golden.py > chat_golden.jsonl

With --check FILE.jinja [...] it prints the same rows for those templates (the checkpoints' own), for a test that has them.
"""

import json
import sys

from transformers.utils.chat_template_utils import render_jinja_template

CHATML = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
          "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")

TEMPLATES = [
    CHATML,
    # white-space control
    "a\n{% if true %}\n  b\n{% endif %}\nc\n",
    "a\n  {%- if true -%}\n  b  \n  {%- endif +%}\n c",
    "  {# note #}\nx {# y #} z\n{#- gone -#}\n  end",
    "{{ 'x' }}\n{{- 'y' -}}\n z\n\n",
    "{%+ if true %} kept{% endif %}\n\n tail",
    "line\n\t{% set a = 'q' %}\n{{ a }}\n",
    "{ not a tag } {{ '{{' }} %} }} {",
    # values and operators
    "{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 % 3 }} {{ -7 // 2 }} {{ 'a' ~ 1 ~ none ~ true }} {{ 10 - 2 - 3 }}",
    "{{ 'a' + ' b ' | trim + 'c' }}|{{ ('a' + ' b ') | trim }}",
    "{{ not false and true or false }} {{ 1 == true }} {{ 'a' < 'b' }} {{ 'x' in 'xyz' }} {{ 'q' not in ['a'] }}",
    "{{ missing }}|{{ missing is defined }}|{{ missing is not defined }}|{{ none is none }}|{{ missing | default('d') }}",
    "{{ 'yes' if messages else 'no' }}|{{ 'x' if false }}|{{ [] | length }}|{{ messages | length }}",
    "{{ \"dq 'sq' \\\"esc\\\" \\n\" }}{{ 'a' 'b' }}",
    "{{ messages[0].content | length }} {{ messages[-1]['role'] }} {{ messages[1:] | length }} {{ messages[:1][0].role }}",
    # scopes and loops
    "{% set x = 'out' %}{% for m in messages %}{% set x = m.role %}{{ x }};{% endfor %}{{ x }}",
    "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
    "{% for m in messages %}{{ loop.index }}/{{ loop.length }}{{ ' first' if loop.first }}{{ ' last' if loop.last }}\n{% endfor %}",
    "{% for m in messages %}{% if loop.index0 == 1 %}{% break %}{% endif %}{{ m.role }}{% endfor %}",
    "{% for m in messages %}{% if m.role == 'user' %}{% continue %}{% endif %}{{ m.role }}{% endfor %}",
    "{% for m in [] %}x{% else %}empty{% endfor %}{% for a in ['p', 'q'] %}{{ a }}{% endfor %}{{ ['p', 'q'] | join('-') }}",
    "{% if messages[0]['role'] == 'system' %}S{% elif messages | length > 1 %}M{% else %}E{% endif %}",
    "{{ messages[0].content.strip() }}|{{ messages[0].content.startswith('Y') }}|{{ messages[0]['content'].endswith('.') }}",
    "{% if tools %}T{% endif %}{{ tools is none }}{{ tools is defined }}{{ 'tool_calls' in messages[0] }}",
    "{{ bos_token }}{{ eos_token }}{% if 'name' is string and messages is iterable and messages[0] is mapping %}ok{% endif %}",
    # errors
    "{{ raise_exception('no such roles') }}",
    "{{ messages[9].content }}",
    "{{ 'a' + 1 }}",
]

CONVERSATIONS = [
    [{"role": "system", "content": "You are terse."}, {"role": "user", "content": "Hi\n  there "}],
    [{"role": "user", "content": "\u3000 only a user \u00a0"}],
    [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}, {"role": "user", "content": "<|im_end|> three"}],
    [{"role": "system", "content": ""}, {"role": "user", "content": "Übung 东京"}, {"role": "assistant", "content": "  "},
     {"role": "user", "content": "{{ x }} {% if %}"}],
]


def row(template, messages, prompt):
    result = {"template": template, "messages": messages, "add_generation_prompt": prompt}
    try:
        rendered = render_jinja_template([messages], chat_template=template, add_generation_prompt=prompt,
                                         bos_token="<s>", eos_token="</s>")
        result["text"] = rendered[0][0]
    except Exception as error:  # the golden answer is then that it fails
        result["error"] = type(error).__name__
    return result


def main():
    templates = TEMPLATES
    if sys.argv[1:2] == ["--check"]:
        templates = [open(path, encoding="utf-8").read() for path in sys.argv[2:]]
    for template in templates:
        for index, messages in enumerate(CONVERSATIONS):
            print(json.dumps(row(template, messages, index % 2 == 0)))


if __name__ == "__main__":
    main()
