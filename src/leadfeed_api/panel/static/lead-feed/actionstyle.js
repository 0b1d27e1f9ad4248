// How menus, forms and lists look.

export const ACTION_CSS = `
.toast { position: absolute; inset-block: auto 10px; font-weight: inherit; inset-inline: 0; inline-size: fit-content; max-inline-size: calc(100% - 24px); margin-inline: auto; z-index: 3; display: flex; align-items: center; gap: 12px; padding: 7px 14px; border-radius: 10px; background: light-dark(#1d212b, #e9ecf2); color: light-dark(#f2f4f8, #14171f); font-size: .93em; box-shadow: 0 6px 20px rgb(0 0 0 / .25); animation: rise .2s ease-out; }
.toast .link { display: inline-flex; align-items: center; gap: 6px; color: light-dark(#aebcff, #2a44b8); white-space: nowrap; }
.toast span { min-inline-size: 0; overflow-wrap: anywhere; }
.toast kbd { color: inherit; border-color: currentColor; opacity: .75; }
.sheet { position: fixed; margin: 0; padding: 0; inset: auto; max-inline-size: none; overflow: auto; overscroll-behavior: contain; color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: var(--radius); box-shadow: 0 18px 50px rgb(0 0 0 / .28); }
.sheet[open] { animation: rise .18s ease-out; }
.sheet::backdrop { background: rgb(10 12 18 / .28); }
.sheet header { position: sticky; inset-block-start: 0; z-index: 1; justify-content: space-between; padding-block: 12px 8px; background: var(--paper); }
.sheet h2 { white-space: normal; }
.sheet .tool { flex: none; }
.body { display: grid; gap: 14px; padding: 2px 16px 16px; }
.body form { display: grid; gap: 14px; }
fieldset { display: grid; gap: 2px; min-inline-size: 0; }
legend { padding: 0; margin-block-end: 4px; color: var(--faint); font-size: .89em; }
.choice { display: flex; gap: 9px; align-items: baseline; padding: 5px 0; cursor: pointer; min-inline-size: 0; }
.choice span { min-inline-size: 0; overflow-wrap: anywhere; }
.choice input { flex: none; margin: 0; inline-size: 15px; block-size: 15px; accent-color: var(--accent); translate: 0 2px; }
.choice small, .field small, .things small { display: block; unicode-bidi: plaintext; color: var(--faint); font-size: .89em; }
.field { display: grid; gap: 4px; color: var(--faint); font-size: .96em; }
.field input, .field select { font-size: 1.04em; }
.body input[type=date] { inline-size: 100%; padding: 4px 9px; border: 1px solid color-mix(in srgb, var(--faint) 70%, transparent); border-radius: 8px; background: var(--paper); color: var(--ink); }
.actions { display: flex; flex-wrap: wrap; justify-content: flex-end; gap: 8px; }
.plain, .primary { display: inline-flex; align-items: center; gap: 6px; padding: 5px 13px; border-radius: 8px; border: 1px solid color-mix(in srgb, var(--faint) 55%, transparent); font-weight: 550; }
.plain:hover { background: var(--hover); }
.primary { color: var(--paper); background: var(--accent); border-color: transparent; }
.primary:hover { filter: brightness(1.08); }
.danger { color: var(--red); }
:disabled { opacity: .55; cursor: default; }
.problem { color: var(--red); }
.problem:empty { display: none; }
.sheet > .problem { position: sticky; inset-block-end: 0; padding: 10px 16px; border-block-start: 1px solid var(--line); background: var(--paper); }
.quiet { unicode-bidi: plaintext; color: var(--faint); font-size: .93em; }
.letter { padding: 10px 12px; border-radius: 8px; background: var(--hover); overflow-wrap: anywhere; }
.address { display: grid; grid-template-columns: 3.2em minmax(0, 1fr) auto; align-items: center; gap: 6px; }
.address span { color: var(--faint); }
.address input { font: .89em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Noto Sans Mono", monospace; text-overflow: ellipsis; }
.things { list-style: none; }
.things li { display: flex; align-items: center; gap: 4px; padding: 8px 0; border-block-end: 1px solid var(--line); }
.things li > div { flex: 1; min-inline-size: 0; overflow-wrap: anywhere; }
.things strong { display: block; font-weight: 550; }
.things strong, .things small { text-align: -webkit-match-parent; text-align: match-parent; }
.things select { inline-size: auto; max-inline-size: 100%; }
.things li:has(select) { flex-wrap: wrap; }
.things li:has(select) > div { flex-basis: 100%; }
.things li select { margin-inline-end: auto; }
.things [data-gone] strong { color: var(--faint); text-decoration: line-through; }
.things:empty { display: none; }
.keys { display: grid; grid-template-columns: auto 1fr; gap: 7px 16px; align-items: baseline; }

.menu { position: fixed; inset: auto; max-block-size: calc(100dvh - 16px); overflow: auto; margin: 0; padding: 5px; min-inline-size: 200px; max-inline-size: min(320px, calc(100vw - 16px)); color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: 10px; box-shadow: 0 10px 34px rgb(0 0 0 / .2); font: inherit; }
.menu button { display: flex; align-items: center; gap: 10px; inline-size: 100%; padding: 6px 9px; border-radius: 6px; }
.menu button span { flex: 1; overflow-wrap: anywhere; }
.menu button .icon { color: var(--faint); }
.menu button:hover, .menu button:focus { background: var(--hover); outline-offset: -2px; }
.menu [aria-checked=true]::after { content: "✓"; color: var(--accent); font-weight: 700; }
.menu hr { margin: 5px 9px; border: 0; border-block-start: 1px solid var(--line); }
.menu hr:first-child, .menu hr:last-child, .menu hr + hr { display: none; }
`;
