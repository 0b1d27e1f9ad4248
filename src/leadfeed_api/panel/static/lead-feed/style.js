// How the panel looks. One constructed sheet for all panels of a page: no style element, no inline style, and nothing
// of it reaches the host. The host's say: its color-scheme, its direction, the custom properties --leadfeed-*, and ::part();
// its other rules would win over :host, and be inherited, so everything starts afresh at .panel.

const CSS = `
:host {
  --paper: var(--leadfeed-paper, light-dark(#fff, #14171d));
  --ink: var(--leadfeed-ink, light-dark(#14171f, #eef0f4));
  --soft: var(--leadfeed-soft, light-dark(#474e5c, #b3bac6));
  --faint: var(--leadfeed-faint, light-dark(#626a79, #949cab));
  --line: var(--leadfeed-line, light-dark(#e6e8ec, #272c35));
  --hover: var(--leadfeed-hover, light-dark(#f5f6f9, #1b2028));
  --accent: var(--leadfeed-accent, light-dark(#3451d1, #9db0ff));
  --accent-paper: light-dark(color-mix(in srgb, var(--accent) 9%, #fff), color-mix(in srgb, var(--accent) 16%, #14171d));
  --web: light-dark(#0a5fb4, #7cbcff); --email: light-dark(#8a2bb0, #dd9bf5); --milestone: light-dark(#17713a, #7ad497);
  --star: light-dark(#b76e00, #f3b74c); --flame: light-dark(#cf4510, #ff9259); --amber: light-dark(#9a5b00, #f0b35a);
  --green: light-dark(#1c8f45, #5fcf86); --red: light-dark(#b3261e, #ff9d95);
  --radius: var(--leadfeed-radius, 12px);
  display: flex; flex-direction: column; box-sizing: border-box;
  inline-size: 100%; min-inline-size: 240px; block-size: 100%; min-block-size: 260px; max-block-size: 100dvh;
}
:host([hidden]) { display: none; }
:host([theme=light]) { color-scheme: light; }
:host([theme=dark]) { color-scheme: dark; }
:host([theme=auto]) { color-scheme: light dark; }
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
button, input, select { font: inherit; color: inherit; letter-spacing: inherit; }
button, select { cursor: pointer; }
button { background: none; border: 0; padding: 0; text-align: start; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 6px; }
p, h2, dl, dd, ul, fieldset { margin: 0; padding: 0; border: 0; }
.icon { flex: none; inline-size: 16px; block-size: 16px; fill: none; stroke: currentColor; stroke-width: 1.5; stroke-linecap: round; stroke-linejoin: round; }
.icon.bold { stroke-width: 2.4; }
.icon.filled { fill: currentColor; stroke: none; }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
kbd { font: 500 .82em/1.5 ui-monospace, Consolas, monospace; color: var(--soft); padding: 0 .4em; border: 1px solid var(--line); border-block-end-width: 2px; border-radius: 4px; }

.panel {
  all: initial; -webkit-locale: revert-layer; color-scheme: inherit; visibility: inherit; pointer-events: inherit;
  font: 400 var(--leadfeed-size, 13.5px)/1.38 var(--leadfeed-font, -apple-system, "Segoe UI", Roboto, system-ui, sans-serif);
  cursor: default; -webkit-text-size-adjust: none; box-sizing: border-box;
  container: panel / inline-size; position: relative; display: flex; flex-direction: column; flex: 1; block-size: 100%; max-block-size: inherit; min-block-size: 0; color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: var(--radius); overflow: clip;
}
header { display: flex; align-items: center; gap: 8px; padding-block: 8px 4px; padding-inline: 16px 8px; min-inline-size: 0; }
h2 { font-size: 1.08em; font-weight: 650; letter-spacing: -.005em; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.live { flex: none; display: flex; align-items: center; gap: 6px; padding: 3px; color: var(--faint); font-size: .89em; white-space: nowrap; }
.live::before { content: ""; flex: none; inline-size: 7px; block-size: 7px; border-radius: 50%; background: currentColor; }
.live[data-state=live]::before { background: var(--green); box-shadow: 0 0 0 3px color-mix(in srgb, var(--green) 18%, transparent); }
.live[data-state=offline] { color: var(--amber); }
.live[data-state$=ing]::before { animation: breathe 1.6s ease-in-out infinite; }
header .tools { display: flex; margin-inline-start: auto; }
.tool { display: grid; place-items: center; inline-size: 30px; block-size: 28px; border-radius: 7px; color: var(--soft); }
.tool:hover, .tool[aria-expanded=true] { background: var(--hover); color: var(--ink); }
.tool.on { color: var(--accent); }

.filters { border-block-end: 1px solid var(--line); }
.chips { display: flex; flex-wrap: wrap; gap: 5px; padding: 2px 16px 8px; }
.chip { flex: none; display: inline-flex; align-items: center; gap: 4px; max-inline-size: 100%; padding: 3px 8px; border: 1px solid var(--line); border-radius: 99px; color: var(--soft); font-size: .89em; white-space: nowrap; }
.chip .icon { inline-size: 12px; block-size: 12px; }
.chip:hover { background: var(--hover); color: var(--ink); }
.chip[aria-pressed=true], .chip.only { background: var(--accent-paper); border-color: transparent; color: var(--accent); font-weight: 600; }
.chip span { overflow: hidden; text-overflow: ellipsis; }
.drawer { display: grid; grid-template-columns: 1fr 1fr; gap: 6px; padding: 0 16px 10px; }
.search { grid-column: 1 / -1; }
input[type=text], input[type=search], select { inline-size: 100%; min-inline-size: 0; padding: 5px 9px; border: 1px solid color-mix(in srgb, var(--faint) 70%, transparent); border-radius: 8px; background: var(--paper); color: var(--ink); }
input::placeholder { color: var(--faint); opacity: 1; }
.notes:empty { display: none; }
.notes { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 8px; padding: 0 16px 9px; }
.hidden-note { display: flex; align-items: center; gap: 6px; color: var(--faint); font-size: .89em; }
.hidden-note .icon { inline-size: 13px; block-size: 13px; }
.link { color: var(--accent); font-weight: 600; padding: 2px; }
.link:hover { text-decoration: underline; }

.stage { position: relative; flex: 1; min-block-size: 0; display: flex; }
.scroller { flex: 1; min-inline-size: 0; overflow: hidden auto; overscroll-behavior: contain; scrollbar-width: thin; scrollbar-color: var(--line) transparent; }
.day { position: sticky; inset-block-start: 0; z-index: 1; padding: 7px 16px 3px; background: var(--paper); color: var(--faint); font-size: .8em; font-weight: 650; letter-spacing: .045em; text-transform: uppercase; }
.chunk { content-visibility: auto; }
article { position: relative; display: grid; grid-template-columns: 28px minmax(0, 1fr); column-gap: 10px; padding-block: 6px; padding-inline: 20px 16px; border-block-end: 1px solid var(--line); scroll-margin-block: 34px 8px; }
article:hover { background: var(--hover); }
article:focus-visible { outline-offset: -2px; border-radius: 8px; }
.dot { display: none; position: absolute; inset-inline-start: 7px; inset-block-start: 17px; inline-size: 7px; block-size: 7px; border-radius: 50%; background: var(--accent); }
.unread > .dot { display: block; }
.kind { position: relative; grid-row: 1 / 4; display: grid; place-items: center; inline-size: 28px; block-size: 28px; margin-block-start: 1px; border-radius: 8px; color: var(--type); background: color-mix(in srgb, var(--type) 13%, var(--paper)); }
.web { --type: var(--web); } .email { --type: var(--email); } .milestone { --type: var(--milestone); }
.who { display: flex; align-items: baseline; gap: 6px; min-inline-size: 0; }
.name { min-inline-size: 0; max-inline-size: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: inherit; text-decoration: none; font-weight: 500; cursor: pointer; text-align: -webkit-match-parent; text-align: match-parent; }
.unread .name { font-weight: 650; }
.name:hover { text-decoration: underline; text-underline-offset: 2px; }
.account { flex: 1 1 0; min-inline-size: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--faint); text-align: -webkit-match-parent; text-align: match-parent; }
time { flex: none; margin-inline-start: auto; color: var(--faint); font-size: .89em; font-variant-numeric: tabular-nums; white-space: nowrap; }
.what { overflow: hidden; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow-wrap: anywhere; text-wrap: pretty; text-align: -webkit-match-parent; text-align: match-parent; }
.read:not([data-whole]) .what { display: block; white-space: nowrap; text-overflow: ellipsis; }
[data-whole] .what { -webkit-line-clamp: none; }
.read .name, .read .what { color: var(--soft); }
.foot { display: flex; align-items: center; flex-wrap: wrap; gap: 1px 8px; min-block-size: 19px; min-inline-size: 0; color: var(--faint); font-size: .89em; }
.why { display: contents; }
.marks { display: inline-flex; gap: 1px; }
.marks .icon { inline-size: 12px; block-size: 12px; }
.star { color: var(--star); } .flame { color: var(--flame); }
.bet { padding: 0 7px; border-radius: 99px; color: var(--amber); background: color-mix(in srgb, var(--star) 13%, var(--paper)); font-weight: 600; }
.bot { padding: 0 6px; border: 1px dashed color-mix(in srgb, var(--faint) 80%, transparent); border-radius: 6px; overflow-wrap: anywhere; }
.subscribed { color: var(--accent); }
.fold { flex: none; color: var(--accent); font-weight: 600; padding: 2px 0; }
.fold:hover { text-decoration: underline; }
.fold.some::after { content: ""; display: inline-block; inline-size: 6px; block-size: 6px; margin-inline-start: 5px; border-radius: 50%; background: var(--accent); vertical-align: .1em; }
article .tools { display: flex; position: absolute; inset-inline-end: 10px; inset-block-end: 3px; padding-inline-start: 14px; border-radius: 8px; opacity: 0; background: linear-gradient(90deg, transparent, var(--hover) 14px) 0 3px / 100% 19px no-repeat; }
article .tools:dir(rtl) { background-image: linear-gradient(270deg, transparent, var(--hover) 14px); }
article .tool { inline-size: 28px; block-size: 24px; }
.panel:not([data-mails]) [data-do=subscribe] { display: none; }
article .tool:hover { background: color-mix(in srgb, var(--ink) 9%, transparent); }
article:hover .tools, article:focus .tools, article:focus-within .tools { opacity: 1; }
article:focus, article:focus-within { background: var(--hover); }
.member { padding-block: 4px; border-block-end-style: dashed; }
.member .kind { visibility: hidden; block-size: 0; }
.member .why, .member .name, .member .account { display: none; }
.member .who { grid-row: 1; grid-column: 2; justify-self: end; }
.member .what { grid-row: 1; grid-column: 2; padding-inline-end: 4.5em; }
.member .foot { min-block-size: 0; }
.member > .dot { inset-block-start: 11px; }

.pill, .toast { position: absolute; inset-block-start: 2px; inset-inline: 0; inline-size: fit-content; margin-inline: auto; z-index: 3; display: inline-flex; align-items: center; gap: 5px; padding: 5px 14px 5px 10px; border-radius: 99px; background: var(--ink); color: var(--paper); font-size: .89em; font-weight: 650; box-shadow: 0 4px 14px rgb(0 0 0 / .22); animation: rise .2s ease-out; }
.pill .icon { inline-size: 13px; block-size: 13px; stroke-width: 2; }
.end { display: flex; flex-wrap: wrap; align-items: center; justify-content: center; gap: 8px; padding: 16px; color: var(--faint); font-size: .89em; text-align: center; }
.state { display: grid; justify-items: center; gap: 8px; padding: 48px 28px; text-align: center; color: var(--soft); overflow-wrap: anywhere; }
.state .icon { inline-size: 28px; block-size: 28px; stroke-width: 1; color: var(--faint); }
.state strong { color: var(--ink); font-weight: 650; }
.skeleton i { position: relative; display: grid; gap: 8px; padding-block: 12px 13px; padding-inline: 58px 16px; border-block-end: 1px solid var(--line); }
.skeleton i::before { content: ""; position: absolute; inset-inline-start: 20px; inset-block-start: 9px; inline-size: 28px; block-size: 28px; border-radius: 8px; background: var(--line); }
.skeleton { animation: breathe 1.6s ease-in-out infinite; }
.skeleton b { block-size: 9px; border-radius: 5px; background: var(--line); inline-size: 72%; }
.skeleton b:first-child { inline-size: 45%; } .skeleton b:last-child { inline-size: 24%; }
footer { display: flex; align-items: center; justify-content: flex-end; gap: 10px; min-block-size: 30px; padding: 2px 16px; border-block-start: 1px solid var(--line); color: var(--faint); font-size: .87em; }
.hints { display: flex; flex-wrap: wrap; margin-inline-end: auto; gap: 9px 10px; max-block-size: calc(1.7em + 6px); overflow: hidden; padding: 3px; white-space: nowrap; }
.hints kbd { display: inline-block; line-height: 1.3; margin-inline-end: 3px; }
.count { flex: none; font-variant-numeric: tabular-nums; }

@container panel (inline-size < 430px) {
  .hints span:nth-child(3) { display: none; }
}
@container panel (inline-size < 330px) {
  .hints span:nth-child(2) { display: none; }
  .chips, .drawer, .notes, .day { padding-inline: 12px; }
  header { padding-inline: 12px 4px; }
  article { grid-template-columns: 24px minmax(0, 1fr); column-gap: 8px; padding-inline: 15px 12px; }
  .dot { inset-inline-start: 4px; }
  .kind { inline-size: 24px; block-size: 24px; border-radius: 7px; }
}
@container panel (inline-size < 290px) {
  .who { flex-wrap: wrap; row-gap: 0; }
  .name { flex: 1 1 0; }
  .account { flex: 1 0 100%; order: 1; }
  .live[data-state=live] { font-size: 0; gap: 0; }
  .drawer { grid-template-columns: 1fr; }
  .foot { column-gap: 6px; }
  .hints, footer:has([hidden]) { display: none; }
  header .tool { inline-size: 27px; }
}
@container panel (inline-size >= 290px) {
  .name:has(+ .account:not(:empty)) { max-inline-size: 65%; }
}
@container panel (inline-size >= 560px) {
  .what { -webkit-line-clamp: 3; }
}
@media (hover: none) {
  article .tools { position: static; margin-inline-start: auto; opacity: 1; background: none; }
  .hints, footer:has([hidden]) { display: none; }
}
@media (prefers-contrast: more) {
  :host { --faint: var(--soft); --line: light-dark(#767d8a, #8b93a1); }
}
@media (forced-colors: active) {
  .dot, .live::before, .fold.some::after { forced-color-adjust: none; background: CanvasText; }
  .kind, .chip, .bet, .pill, .toast { border: 1px solid; }
  .chip[aria-pressed=true] { outline: 2px solid Highlight; outline-offset: -2px; }
  article .tools { background: Canvas; }
}
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { animation: none !important; transition: none !important; }
}
@keyframes breathe { 50% { opacity: .35; } }
@keyframes rise { from { opacity: 0; translate: 0 6px; } }
`;

let made = null;

/** The sheet, made once. */
export function sheet() {
  made ??= styled(CSS);
  return made;
}

/** A constructed sheet. */
export function styled(css) {
  const style = new CSSStyleSheet();
  style.replaceSync(css);
  return style;
}
