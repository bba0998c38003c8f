"""Style sheet and script of the documentation page; nothing is loaded from anywhere else."""

from __future__ import annotations

from typing import Final

__all__ = ["SCRIPT", "STYLE"]

STYLE: Final = """
:root{--ink:#16202b;--soft:#5b6875;--line:#e2e7ec;--paper:#fff;--panel:#f6f8fa;--code:#0f1a26;
--code-ink:#dbe6f0;--accent:#0b6e6e;--get:#0b6e6e;--post:#8a5a00;--patch:#5b3fb0;--delete:#b3261e;
color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa7b4;--line:#2a3541;
--paper:#0f161d;
--panel:#161f28;--code:#0a1016;--code-ink:#dbe6f0;--accent:#4cc4be;--get:#4cc4be;--post:#e0ae4c;
--patch:#b09bf5;--delete:#ff8a80}}
*{box-sizing:border-box}html{scroll-behavior:smooth;scroll-padding-top:1rem}
body{margin:0;font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;
color:var(--ink);background:var(--paper);display:grid;grid-template-columns:17rem minmax(0,1fr)}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:3px}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1.5rem 1rem 2rem 1.5rem;
border-right:1px solid var(--line);background:var(--panel);font-size:.875rem}
nav h1{font-size:1.15rem;margin:0 0 .1rem;letter-spacing:-.01em}nav h1 a{color:inherit}
nav small{color:var(--soft)}nav h2{font-size:.72rem;text-transform:uppercase;letter-spacing:.06em;
color:var(--soft);margin:1.4rem 0 .3rem}
nav ul{list-style:none;margin:0;padding:0}nav li a{display:flex;gap:.5rem;padding:.2rem .4rem;
border-radius:5px;color:var(--ink);align-items:baseline}
nav li a:hover{background:var(--line);text-decoration:none}nav li a.here{background:var(--line)}
nav .verb{font-size:.62rem;width:2.7rem;flex:none}
input{width:100%;margin-top:.9rem;padding:.45rem .6rem;font:inherit;border:1px solid var(--line);
border-radius:6px;background:var(--paper);color:inherit}
main{padding:2.5rem clamp(1rem,4vw,4rem) 6rem;max-width:78rem}
main>h2{margin:3.5rem 0 .2rem;font-size:1.5rem;letter-spacing:-.015em;padding-top:1.5rem;
border-top:1px solid var(--line)}
main>h2:first-of-type{border:0;margin-top:0;padding-top:0}.lead{color:var(--soft);
margin:.2rem 0 1rem}
article{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,26rem);gap:0 2.5rem;
padding:1.8rem 0;
border-top:1px solid var(--line)}
article h3{margin:0 0 .2rem;font-size:1.08rem}article>div{min-width:0}
.path{font:600 .9rem ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;margin:.1rem 0 .7rem;
overflow-wrap:anywhere}
.verb{font:700 .72rem ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;letter-spacing:.03em;
color:var(--soft)}
.get{color:var(--get)}.post{color:var(--post)}.patch{color:var(--patch)}.delete{color:var(--delete)}
.role{display:inline-block;font-size:.74rem;color:var(--soft);border:1px solid var(--line);
border-radius:99px;padding:0 .6rem;margin-left:.4rem;vertical-align:.1em;font-weight:400}
p{margin:.5rem 0}dl{margin:1rem 0 0}dt{font:.85rem ui-monospace,Menlo,Consolas,monospace;
padding-top:.55rem;border-top:1px solid var(--line)}dt i{font:italic .8rem system-ui;
color:var(--soft)}
dt b{color:var(--delete);font:600 .72rem system-ui}
dd{margin:0 0 .5rem;color:var(--soft);font-size:.9rem}
h4{margin:1.1rem 0 .3rem;font-size:.72rem;text-transform:uppercase;letter-spacing:.06em;
color:var(--soft)}
pre{margin:0 0 .8rem;padding:.9rem 1rem;border-radius:8px;background:var(--code);
color:var(--code-ink);
font:.8rem/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow:auto;max-height:24rem;
white-space:pre}
code{font:.875em ui-monospace,Menlo,Consolas,monospace;background:var(--panel);padding:.08em .3em;
border-radius:4px}pre code{background:none;padding:0}
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;vertical-align:top;
padding:.45rem .8rem .45rem 0;border-bottom:1px solid var(--line)}th{color:var(--soft);
font-weight:600}
:target{background:color-mix(in srgb,var(--accent) 14%,transparent)}
details summary{cursor:pointer;color:var(--accent);font-size:.9rem}
form{display:grid;gap:.4rem;margin:.5rem 0}form input{margin:0}form label{font-size:.8rem}
button{justify-self:start;padding:.4rem 1rem;font:600 .85rem system-ui;border:0;border-radius:6px;
background:var(--accent);color:var(--paper);cursor:pointer}
@media (max-width:70rem){article{grid-template-columns:1fr;gap:1rem}}
@media (max-width:48rem){body{display:block}nav{position:static;height:auto;border:0;
border-bottom:1px solid var(--line)}nav ul{display:none}nav h2{display:none}}
"""

SCRIPT: Final = """
'use strict';
const key = document.getElementById('key');
key.value = sessionStorage.getItem('key') || '';
key.addEventListener('input', () => sessionStorage.setItem('key', key.value));
const find = document.getElementById('find');
find.addEventListener('input', () => {
  const text = find.value.toLowerCase();
  for (const item of document.querySelectorAll('nav li'))
    item.hidden = !item.textContent.toLowerCase().includes(text);
});
for (const form of document.querySelectorAll('form[data-path]')) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const out = form.nextElementSibling;
    const query = new URLSearchParams();
    let path = form.dataset.path;
    for (const [name, value] of new FormData(form)) {
      if (path.includes('{' + name + '}'))
        path = path.replace('{' + name + '}', encodeURIComponent(value));
      else if (value) query.set(name, value);
    }
    const address = path + (query.size ? '?' + query : '');
    out.hidden = false;
    out.textContent = 'GET ' + address + ' …';
    try {
      const headers = key.value ? {Authorization: 'Bearer ' + key.value.trim()} : {};
      const answer = await fetch(address, {headers});
      let text = await answer.text();
      try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it came */ }
      out.textContent = 'GET ' + address + '\\n' + answer.status + ' ' + answer.statusText
        + '\\n\\n' + (text.length > 20000 ? text.slice(0, 20000) + '\\n… cut here' : text);
    } catch (error) { out.textContent = String(error); }
  });
}
"""
