// Elements and icons, built node by node: nothing here ever parses a string as markup, so no text can become one.

const SVG = "http://www.w3.org/2000/svg";

/**
 * One element. `props` are attributes; a function under `onclick` and the like listens; null and false are left out.
 * Children are nodes or text.
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else set(element, name, value);
  }
  element.append(...children.flat().filter((child) => (child ?? false) !== false));
  return element;
}

/** A select with its options: pairs of value and label. */
export function select(name, options, chosen, props) {
  return h("select", { name, ...props }, options.map(([value, label]) => h("option", { value, selected: value === chosen }, label)));
}

/** Sets an attribute, or takes it away when the value is null or false. Touches nothing that is right already. */
export function set(element, name, value) {
  if ((value ?? false) === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Sets an element's text, leaving an equal text alone. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Drawn on a 16 by 16 grid with a stroke of 1.5; a leading "!" means filled.
const PATHS = {
  web: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2ZM2.4 8h11.2M8 2.2c3.4 3.5 3.4 8.1 0 11.6M8 2.2c-3.4 3.5-3.4 8.1 0 11.6",
  email: "M2.2 4.4c0-.6.4-1 1-1h9.6c.6 0 1 .4 1 1v7.2c0 .6-.4 1-1 1H3.2c-.6 0-1-.4-1-1ZM2.6 4.6 8 8.9l5.4-4.3",
  milestone: "M3.8 14.2V2.4M3.8 3.2h8.4l-2 2.9 2 2.9H3.8",
  star: "!M8 1.6l1.9 4 4.4.6-3.2 3.1.8 4.4L8 11.6l-3.9 2.1.8-4.4L1.7 6.2l4.4-.6Z",
  flame: "!M8.6 1.4c.5 2.4-2 3.6-2.8 5.5-.4-.6-.6-1.2-.6-1.9-1.4 1.3-2.1 2.8-2.1 4.5A4.9 4.9 0 0 0 8 14.5a4.9 4.9 0 0 0 4.9-5c0-3.2-2.2-5.9-4.3-8.1Z",
  bell: "M4.2 11.2V7a3.8 3.8 0 0 1 7.6 0v4.2l1 1H3.2ZM6.6 14h2.8",
  belled: "!M8 2.2A4.3 4.3 0 0 0 3.7 6.5v4.1L2.4 12.2v.5h11.2v-.5l-1.3-1.6V6.5A4.3 4.3 0 0 0 8 2.2ZM6.4 13.6a1.7 1.7 0 0 0 3.2 0Z",
  eye: "M1.8 8S4 3.8 8 3.8 14.2 8 14.2 8 12 12.2 8 12.2 1.8 8 1.8 8ZM8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6Z",
  eyed: "!M8 3.2C3.6 3.2 1.2 8 1.2 8s2.4 4.8 6.8 4.8S14.8 8 14.8 8 12.4 3.2 8 3.2Zm0 2.2a2.6 2.6 0 1 1 0 5.2 2.6 2.6 0 0 1 0-5.2Z",
  check: "M3 8.6l3.2 3.2L13 4.8",
  unread: "M8 4.6a3.4 3.4 0 1 0 0 6.8 3.4 3.4 0 0 0 0-6.8Z",
  search: "M7 2.6a4.4 4.4 0 1 0 0 8.8 4.4 4.4 0 0 0 0-8.8ZM10.3 10.3l3.3 3.3",
  rss: "M3.4 12.6h.01M3 7.6A5.4 5.4 0 0 1 8.4 13M3 3.4A9.6 9.6 0 0 1 12.6 13",
  more: "M3.4 8h.01M8 8h.01M12.6 8h.01",
  up: "M8 13V3.4M3.8 7.4 8 3.2l4.2 4.2",
  close: "M4 4l8 8M12 4l-8 8",
  mute: "M4.2 11.2V7c0-.9.3-1.7.8-2.3M11.8 9V7A3.8 3.8 0 0 0 6.7 3.4M3.2 12.2h8.6M6.6 14h2.8M2.4 2.4l11.2 11.2",
  filter: "M2.4 4.2h11.2M4.6 8h6.8M6.6 11.8h2.8",
  alert: "M8 2.6 14.2 13H1.8ZM8 6.6v3M8 11.3h.01",
};

/** Adds icons to those above. */
export function addIcons(paths) {
  Object.assign(PATHS, paths);
}

/** An icon by name: decoration only, the words beside it carry the meaning. */
export function icon(name) {
  const path = PATHS[name];
  const filled = path.startsWith("!");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", `icon${filled ? " filled" : ""}${name === "more" ? " bold" : ""}`);
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS(SVG, "path");
  shape.setAttribute("d", filled ? path.slice(1) : path);
  svg.append(shape);
  return svg;
}

/** A button that shows only an icon; `label` is its name and its tooltip. */
export function iconButton(name, label, props) {
  return h("button", { type: "button", class: "tool", "aria-label": label, title: label, ...props }, icon(name));
}
