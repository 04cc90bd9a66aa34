/** The looks. A constructed sheet needs no permission from the page's security policy. */

export const sheet = new CSSStyleSheet();

sheet.replaceSync(`
:host {
  --surface: #fff; --soft: #eef1ef; --ink: #1b2420; --quiet: #57625c; --line: #dfe4e1;
  --warn: #9a3412; --warn-soft: #fff3e8; --accent-text: var(--accent-text-light); --glow: rgb(15 30 24 / .22);
  all: initial; position: fixed; z-index: 2147483000; inset: auto 0 0 auto; color-scheme: light dark;
  font: 15px/1.55 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans SC", "Noto Sans CJK SC",
    sans-serif;
}
:host([position="left"]) { inset: auto auto 0 0; }
@media (prefers-color-scheme: dark) {
  :host {
    --surface: #1a1f1d; --soft: #2a302d; --ink: #eef2ef; --quiet: #a9b4ae; --line: #363d39;
    --warn: #ffb48a; --warn-soft: #3a2a20; --accent-text: var(--accent-text-dark); --glow: rgb(0 0 0 / .55);
  }
}
:host([hidden]), [hidden] { display: none !important; }
*, ::before, ::after { box-sizing: border-box; }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
svg { width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 1.9; stroke-linecap: round;
  stroke-linejoin: round; display: block; }
:focus-visible { outline: 2px solid var(--accent-text); outline-offset: 2px; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.launcher { position: fixed; inset: auto max(20px, env(safe-area-inset-right)) max(20px, env(safe-area-inset-bottom)) auto;
  width: 60px; height: 60px; border-radius: 50%; display: grid; place-items: center; background: var(--accent);
  color: var(--on-accent); box-shadow: 0 8px 24px var(--glow), 0 2px 6px var(--glow); transition: transform .16s ease; }
:host([position="left"]) .launcher { left: max(20px, env(safe-area-inset-left)); right: auto; }
.launcher:hover { transform: translateY(-2px) scale(1.03); }
.launcher svg { width: 28px; height: 28px; }
.launcher[aria-expanded="false"] > :nth-child(2), .launcher[aria-expanded="true"] > :first-child { display: none; }
.badge { position: absolute; top: -2px; right: -2px; min-width: 22px; height: 22px; padding: 0 6px; border-radius: 11px;
  background: #c2261c; color: #fff; font-size: 12px; font-weight: 700; line-height: 22px; text-align: center;
  box-shadow: 0 0 0 2px var(--surface); }

.panel:focus { outline: 0; }
.panel { position: fixed; inset: auto 20px 96px auto; width: 392px; height: min(704px, calc(100dvh - 116px));
  display: flex; flex-direction: column; overflow: hidden; border-radius: 20px; background: var(--surface);
  color: var(--ink); box-shadow: 0 24px 64px var(--glow), 0 4px 16px var(--glow), 0 0 0 1px var(--line);
  transform-origin: 100% 100%; animation: rise .2s cubic-bezier(.2, .9, .3, 1.1); }
:host([position="left"]) .panel { left: 20px; right: auto; transform-origin: 0 100%; }
@keyframes rise { from { opacity: 0; transform: translateY(14px) scale(.97); } }

header { display: flex; align-items: center; gap: 12px; padding: 14px 14px 14px 18px; background: var(--accent);
  color: var(--on-accent); }
.mark { flex: none; display: grid; place-items: center; width: 40px; height: 40px; border-radius: 50%;
  background: var(--on-accent); color: var(--accent); }
.mark svg { width: 24px; height: 24px; }
.who { flex: 1; min-width: 0; }
h2 { margin: 0; font-size: 16px; line-height: 1.3; font-weight: 650; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.presence { display: flex; align-items: center; gap: 6px; font-size: 13px; line-height: 1.4; }
.presence::before { content: ""; width: 7px; height: 7px; border-radius: 50%; border: 1.5px solid currentColor; }
[data-state="open"] .presence::before { background: currentColor; }
.round { flex: none; display: grid; place-items: center; width: 40px; height: 40px; border-radius: 50%; }
.round:hover { background: rgb(127 127 127 / .25); }
header :focus-visible { outline-color: currentColor; outline-offset: -2px; }

.bar { display: flex; align-items: center; gap: 10px; padding: 8px 18px; background: var(--warn-soft);
  color: var(--warn); font-size: 13.5px; }
.bar span { flex: 1; }
.bar button, .note button { color: inherit; font-weight: 650; text-decoration: underline; text-underline-offset: 2px;
  padding: 4px 2px; }

.scroll { flex: 1; min-height: 0; overflow-y: auto; overscroll-behavior: contain; padding: 18px 16px 10px; }
.log { display: flex; flex-direction: column; gap: 6px; min-height: 100%; }
.hello { margin: auto 0; padding: 0 2px 24px; }
.hello .mark { width: 52px; height: 52px; margin-bottom: 16px; background: var(--soft); color: var(--accent-text); }
.hello h3 { margin: 0 0 4px; font-size: 22px; line-height: 1.3; font-weight: 680; }
.hello p { margin: 0 0 18px; color: var(--quiet); }
.hello ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 8px; }
.hello button { width: 100%; min-height: 46px; padding: 10px 16px; border-radius: 14px; text-align: start;
  color: var(--accent-text); font-weight: 550; box-shadow: inset 0 0 0 1px var(--line); }
.hello button:hover { background: var(--soft); }

.row { display: flex; flex-direction: column; align-items: flex-start; max-width: 100%; }
.row.visitor { align-items: flex-end; }
.row.system { align-items: center; }
.time { align-self: center; margin: 10px 0 8px; color: var(--quiet); font-size: 12.5px; }
.name { margin: 4px 0 2px 4px; color: var(--quiet); font-size: 12.5px; }
.bubble { max-width: 92%; padding: 9px 14px; border-radius: 18px 18px 18px 6px; background: var(--soft);
  overflow-wrap: break-word; }
.visitor .bubble { max-width: 82%; border-radius: 18px 18px 6px; background: var(--accent); color: var(--on-accent); }
.visitor .bubble, .plain { white-space: pre-wrap; }
.system .bubble { max-width: 100%; background: none; color: var(--quiet); font-size: 13.5px; text-align: center;
  padding: 4px 10px; }
.growing::after { content: ""; display: inline-block; width: 7px; height: 1em; margin-inline-start: 3px;
  vertical-align: -.15em; border-radius: 2px; background: var(--accent-text); animation: blink 1s steps(2) infinite; }
@keyframes blink { 50% { opacity: 0; } }
.note { margin: 3px 6px 2px; color: var(--quiet); font-size: 12.5px; }
.note.bad { color: var(--warn); }
.text > :first-child { margin-top: 0; }
.text > :last-child { margin-bottom: 0; }
.text :is(p, ul, ol, pre, blockquote, table) { margin: .55em 0; }
.text :is(h1, h2, h3, h4, h5, h6) { margin: .9em 0 .35em; font-size: 15.5px; line-height: 1.4; }
.text :is(ul, ol) { padding-inline-start: 1.35em; }
.text li { margin: .2em 0; }
.text a { color: var(--accent-text); text-underline-offset: 2px; }
.text code { font: .9em ui-monospace, Consolas, monospace; padding: .1em .35em;
  border-radius: 5px; background: rgb(127 127 127 / .16); }
.text pre { overflow-x: auto; padding: 10px 12px; border-radius: 10px; background: rgb(127 127 127 / .14); }
.text pre code { padding: 0; background: none; }
.text blockquote { margin-inline: 0; padding-inline-start: 12px; border-inline-start: 3px solid var(--line); }
.text table { display: block; overflow-x: auto; border-collapse: collapse; font-size: 14px; }
.text :is(th, td) { padding: 5px 9px; border: 1px solid var(--line); text-align: start; }
.sources { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; margin: 6px 0 4px 4px; max-width: 92%;
  color: var(--quiet); font-size: 12.5px; }
.sources a { display: inline-flex; align-items: center; gap: 5px; max-width: 100%; padding: 4px 10px 4px 8px;
  border-radius: 999px; color: var(--accent-text); text-decoration: none; box-shadow: inset 0 0 0 1px var(--line); }
.sources a:hover { background: var(--soft); text-decoration: underline; text-underline-offset: 2px; }
.sources svg { flex: none; width: 15px; height: 15px; }
.thumbs { display: flex; color: var(--quiet); font-size: 12.5px; }
.thumbs button { width: 32px; height: 32px; border-radius: 50%; }
.thumbs [aria-pressed="true"] { color: var(--accent-text); background: var(--soft); }
.thumbs svg { width: 15px; }
.down svg { rotate: 180deg; }
.sources b { font-weight: 500; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }

.typing { display: flex; gap: 5px; width: max-content; margin-top: 6px; padding: 15px 16px;
  border-radius: 18px 18px 18px 6px; background: var(--soft); }
.typing i { width: 7px; height: 7px; border-radius: 50%; background: var(--quiet); animation: hop 1.2s infinite; }
.typing i:nth-child(2) { animation-delay: .15s; }
.typing i:nth-child(3) { animation-delay: .3s; }
@keyframes hop { 0%, 60%, 100% { transform: none; opacity: .5; } 30% { transform: translateY(-4px); opacity: 1; } }

.foot { position: relative; border-top: 1px solid var(--line); padding: 10px 12px max(12px, env(safe-area-inset-bottom)); }
.latest { position: absolute; top: -50px; left: 50%; translate: -50%; width: 38px; height: 38px; display: grid;
  place-items: center; border-radius: 50%; background: var(--surface); box-shadow: 0 2px 10px var(--glow), 0 0 0 1px var(--line); }
.latest svg { width: 18px; height: 18px; }
form { display: flex; align-items: flex-end; gap: 6px; padding: 4px 4px 4px 14px; border-radius: 24px;
  background: var(--soft); }
form:focus-within { box-shadow: 0 0 0 2px var(--accent-text); }
textarea:focus-visible { outline: 0; }
textarea { flex: 1; min-width: 0; height: 40px; max-height: 132px; padding: 8px 0; border: 0; resize: none;
  background: none; color: inherit; font: inherit; font-size: 16px; line-height: 24px; }
textarea::placeholder { color: var(--quiet); opacity: 1; }
.send { flex: none; display: grid; place-items: center; width: 40px; height: 40px; border-radius: 50%;
  background: var(--accent); color: var(--on-accent); }
.send:disabled { opacity: .4; cursor: default; }
.count { margin: 5px 14px 0; text-align: end; color: var(--quiet); font-size: 12.5px; }

:host(.sheet) .panel { inset: var(--top, 0) 0 auto; width: 100%; height: var(--height, 100dvh); border-radius: 0;
  box-shadow: none; animation-name: slide; }
:host(.sheet) header { padding-top: max(12px, env(safe-area-inset-top)); }
:host(.sheet) .launcher[aria-expanded="true"] { display: none; }
@keyframes slide { from { opacity: 0; transform: translateY(24px); } }
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { animation: none !important; transition: none !important; }
}
@media (forced-colors: active) {
  .launcher, .panel, .bubble, .send { border: 1px solid CanvasText; }
}
`);
