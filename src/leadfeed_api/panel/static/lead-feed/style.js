// How the panel looks. One constructed sheet for every panel on the page: no inline style, no style element.

const CSS = `
:host { display: block; contain: layout; font: 14px/1.4 system-ui, sans-serif; color-scheme: inherit; }
.panel { display: flex; flex-direction: column; height: 100%; background: light-dark(#fff, #171a21); color: light-dark(#16181d, #e8eaee); border: 1px solid light-dark(#e3e5e9, #2a2e37); border-radius: 12px; overflow: hidden; }
header { display: flex; gap: 8px; align-items: baseline; padding: 12px 16px; }
h2 { margin: 0; font-size: 15px; }
.scroller { overflow: auto; flex: 1; }
article { display: grid; grid-template-columns: 12px 28px 1fr; padding: 8px 16px; border-top: 1px solid light-dark(#e3e5e9, #2a2e37); }
.who { display: flex; gap: 6px; grid-column: 3; }
.what, .why { grid-column: 3; margin: 0; }
time { margin-inline-start: auto; }
.icon { width: 16px; height: 16px; fill: none; stroke: currentColor; stroke-width: 1.5; }
.icon.filled { fill: currentColor; stroke: none; }
.name { all: unset; font-weight: 600; cursor: pointer; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`;

let made = null;

/** The sheet, made once. */
export function sheet() {
  if (!made) {
    made = new CSSStyleSheet();
    made.replaceSync(CSS);
  }
  return made;
}
